import { AshlarError, type BlockSizes, type Stream } from '@ashlar/core';
import { ByteReader, StreamReader } from '@ashlar/wire';
import { baseAllocation, handshakeFlag, info, magic, option, optionReply } from '../codec/constants.ts';
import { decodeOptionReplyHead, encodeContextRequest, encodeInfoRequest, encodeOption } from '../codec/option.ts';

/** What a client may leave out of what it asks for; for tests, and for servers that get it wrong. */
export type Wishes = { readonly structured?: boolean; readonly extended?: boolean; readonly allocation?: boolean };

/** What a server said of its export. */
export type ServerFacts = {
  readonly sizeBytes: number;
  readonly flags: number;
  readonly blockSizes: BlockSizes | undefined;
  readonly replies: 'simple' | 'structured' | 'extended';
  /** The number of base:allocation on this connection, where there is one. */
  readonly allocation: number | undefined;
};

/** A reply to an option is never longer than this. */
const mostReplyBytes = 64 * 1024;

/** The client's side of the fixed newstyle handshake. */
export class ClientHandshake {
  readonly #stream: Stream;
  readonly #reader: StreamReader;

  constructor(stream: Stream) {
    this.#stream = stream;
    this.#reader = new StreamReader(stream);
  }

  /** Up to the client's flags. Fails with `unsupported` where the server is of the old style. */
  async greet(): Promise<void> {
    const greeting = new ByteReader(await this.#reader.read(18));
    if (greeting.u32() !== magic.nbdHigh || greeting.u32() !== magic.nbdLow) {
      throw new AshlarError('invalid', 'this is not an NBD server');
    }
    if (greeting.u32() !== magic.optionHigh || greeting.u32() !== magic.optionLow) {
      throw new AshlarError('unsupported', 'the server speaks only the oldest form of NBD');
    }
    const flags = greeting.u16();
    if ((flags & handshakeFlag.fixedNewstyle) === 0) {
      throw new AshlarError('unsupported', 'the server does not speak the fixed newstyle form of NBD');
    }
    const answer = new Uint8Array(4);
    answer[3] = flags & (handshakeFlag.fixedNewstyle | handshakeFlag.noZeroes);
    this.#stream.send(answer);
    this.#stream.flush();
  }

  /** Asks for TLS; behind it the stream belongs to TLS and a new handshake goes on without a greeting. */
  async startTls(): Promise<void> {
    const { type, data } = await this.#ask(option.startTls, new Uint8Array(0));
    if (type !== optionReply.ack) throw new AshlarError('denied', `the server refuses TLS: ${text(data)}`);
  }

  async list(): Promise<string[]> {
    const names: string[] = [];
    for await (const { type, data } of this.#replies(option.list, new Uint8Array(0))) {
      if (type === optionReply.ack) break;
      if (type !== optionReply.server) throw new AshlarError('denied', `the server does not list: ${text(data)}`);
      const reader = new ByteReader(data);
      names.push(reader.utf8(reader.u32()));
    }
    this.#stream.send(encodeOption(option.abort, new Uint8Array(0)));
    this.#stream.flush();
    return names;
  }

  /** Chooses an export and ends the handshake. */
  async go(name: string, { structured = true, extended = true, allocation = true }: Wishes): Promise<ServerFacts> {
    let replies: ServerFacts['replies'] = 'simple';
    if (structured && extended && (await this.#accepts(option.extendedHeaders))) replies = 'extended';
    else if (structured && (await this.#accepts(option.structuredReply))) replies = 'structured';
    const context = replies !== 'simple' && allocation ? await this.#setContext(name) : undefined;
    let sizeBytes: number | undefined;
    let flags = 0;
    let blockSizes: BlockSizes | undefined;
    for await (const { type, data } of this.#replies(option.go, encodeInfoRequest(name, [info.blockSize]))) {
      if (type === optionReply.ack) break;
      if (type !== optionReply.info) throw refusal(type, name, data);
      const reader = new ByteReader(data);
      const kind = reader.u16();
      if (kind === info.export) {
        sizeBytes = reader.u64();
        flags = reader.u16();
      } else if (kind === info.blockSize) {
        blockSizes = { minimum: reader.u32(), preferred: reader.u32(), maximum: reader.u32(), atomic: 512 };
      }
    }
    if (sizeBytes === undefined || !Number.isSafeInteger(sizeBytes)) {
      throw new AshlarError('invalid', `the server told no usable size of '${name}'`);
    }
    return { sizeBytes, flags, blockSizes, replies, allocation: context };
  }

  async #setContext(name: string): Promise<number | undefined> {
    let number: number | undefined;
    const request = encodeContextRequest(name, [baseAllocation]);
    for await (const { type, data } of this.#replies(option.setMetaContext, request)) {
      if (type !== optionReply.metaContext) break;
      const reader = new ByteReader(data);
      const id = reader.u32();
      if (text(reader.bytes(reader.rest)) === baseAllocation) number = id;
    }
    return number;
  }

  async #accepts(type: number): Promise<boolean> {
    return (await this.#ask(type, new Uint8Array(0))).type === optionReply.ack;
  }

  async #ask(type: number, data: Uint8Array): Promise<{ type: number; data: Uint8Array }> {
    for await (const reply of this.#replies(type, data)) return reply;
    throw new AshlarError('closed', 'the server said nothing');
  }

  async *#replies(type: number, data: Uint8Array): AsyncGenerator<{ type: number; data: Uint8Array }> {
    this.#stream.send(encodeOption(type, data));
    this.#stream.flush();
    for (;;) {
      const head = decodeOptionReplyHead(await this.#reader.read(20));
      if (head.option !== type || head.length > mostReplyBytes) {
        throw new AshlarError('invalid', 'the server answered something else than what it was asked');
      }
      const reply = { type: head.type, data: await this.#reader.read(head.length) };
      yield reply;
      if (head.type >= optionReply.unsupported) return;
    }
  }
}

function text(data: Uint8Array): string {
  return Buffer.from(data).toString('utf8');
}

function refusal(type: number, name: string, data: Uint8Array): AshlarError {
  const sentence = text(data);
  if (type === optionReply.unknown) return new AshlarError('not-found', `the server has no export '${name}'`);
  if (type === optionReply.tlsRequired) return new AshlarError('denied', 'the server wants TLS: use nbds://');
  if (type === optionReply.policy) return new AshlarError('denied', `the server refuses '${name}': ${sentence}`);
  return new AshlarError('unsupported', `the server refuses '${name}': ${sentence}`);
}
