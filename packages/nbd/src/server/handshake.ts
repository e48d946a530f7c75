import { AshlarError, type Stream } from '@ashlar/core';
import { ByteWriter, StreamReader } from '@ashlar/wire';
import { baseAllocation, handshakeFlag, info, option, optionReply } from '../codec/constants.ts';
import {
  decodeContextRequest,
  decodeInfoRequest,
  decodeOptionHead,
  encodeGreeting,
  encodeOptionReply,
  encodeServerReply,
  longestString,
} from '../codec/option.ts';
import {
  transmissionFlags,
  type ContextOffer,
  type ExportDirectory,
  type ExportFacts,
  type MetaContext,
  type Negotiated,
} from './negotiation.ts';

/** Whether this server has TLS: not at all, for who wants it, or for everybody. */
export type TlsMode = 'off' | 'offered' | 'required';

/** What goes on behind STARTTLS: the client's flags were sent before it. */
export type TlsStart = { readonly noZeroes: boolean };

export type HandshakeOptions = {
  readonly stream: Stream;
  readonly directory: ExportDirectory;
  readonly tls: TlsMode;
  /** The handshake goes on inside TLS. */
  readonly afterTls?: TlsStart;
};

export type HandshakeResult =
  | { readonly kind: 'ready'; readonly negotiated: Negotiated; readonly facts: ExportFacts }
  /** The client was told to begin TLS; nothing was read behind that. */
  | { readonly kind: 'tls'; readonly start: TlsStart }
  /** The client said goodbye. */
  | { readonly kind: 'aborted' };

/** Data of an option above this are not looked at; far above it the connection ends. */
const mostOptionBytes = 64 * 1024;
const mostSkippedBytes = 16 * 1024 * 1024;
/** A client that asks for more options than this never gets anywhere. */
const mostOptions = 1024;

type Step = HandshakeResult | undefined;

/**
 * The server's side of the fixed newstyle handshake (proto.md, "Fixed newstyle negotiation"). Reads not a byte beyond
 * it. Fails with `invalid` or `closed` where the connection must end; the caller bounds its time.
 */
export async function handshake(options: HandshakeOptions): Promise<HandshakeResult> {
  return await new Handshake(options).run();
}

class Handshake {
  readonly #stream: Stream;
  readonly #reader: StreamReader;
  readonly #directory: ExportDirectory;
  readonly #tls: TlsMode;
  readonly #afterTls: TlsStart | undefined;
  #noZeroes = false;
  #fixed = false;
  #replies: Negotiated['replies'] = 'simple';
  /** The export whose contexts were set last, and those: none is a choice as well. */
  #chosen: { readonly exportName: string; readonly contexts: readonly MetaContext[] } | undefined;

  constructor({ stream, directory, tls, afterTls }: HandshakeOptions) {
    this.#stream = stream;
    this.#reader = new StreamReader(stream);
    this.#directory = directory;
    this.#tls = tls;
    this.#afterTls = afterTls;
  }

  async run(): Promise<HandshakeResult> {
    if (this.#afterTls === undefined) await this.#greet();
    else {
      this.#fixed = true;
      this.#noZeroes = this.#afterTls.noZeroes;
    }
    for (let count = 0; count < mostOptions; count += 1) {
      const { option: type, length } = decodeOptionHead(await this.#reader.read(16));
      const result = await this.#option(type, length);
      if (result !== undefined) return result;
    }
    throw new AshlarError('invalid', `the client asked for ${mostOptions} options and chose no export`);
  }

  async #greet(): Promise<void> {
    this.#stream.send(encodeGreeting(handshakeFlag.fixedNewstyle | handshakeFlag.noZeroes));
    this.#stream.flush();
    const flags = new DataView((await this.#reader.read(4)).buffer).getUint32(0);
    if ((flags & ~(handshakeFlag.fixedNewstyle | handshakeFlag.noZeroes)) !== 0) {
      throw new AshlarError('invalid', `the client has flags ${flags} that nobody offered`);
    }
    this.#fixed = (flags & handshakeFlag.fixedNewstyle) !== 0;
    this.#noZeroes = (flags & handshakeFlag.noZeroes) !== 0;
  }

  get #mustTls(): boolean {
    return this.#tls === 'required' && this.#afterTls === undefined;
  }

  async #option(type: number, length: number): Promise<Step> {
    if (type === option.exportName) return await this.#exportName(length);
    if (!this.#fixed) throw new AshlarError('invalid', 'an old client may only name its export');
    if (length > mostOptionBytes) return await this.#tooLong(type, length);
    const data = await this.#reader.read(length);
    if (this.#mustTls && type !== option.startTls && type !== option.abort) {
      return this.#refuse(type, optionReply.tlsRequired, 'this server wants TLS first');
    }
    switch (type) {
      case option.abort:
        this.#reply(type, optionReply.ack);
        return { kind: 'aborted' };
      case option.list:
        return data.length > 0 ? this.#refuseData(type) : await this.#list();
      case option.startTls:
        return data.length > 0 ? this.#refuseData(type) : this.#startTls();
      case option.structuredReply:
        return data.length > 0 ? this.#refuseData(type) : this.#structured();
      case option.extendedHeaders:
        return data.length > 0 ? this.#refuseData(type) : this.#extended();
      case option.info:
      case option.go:
        return await this.#info(type, data);
      case option.listMetaContext:
      case option.setMetaContext:
        return await this.#contexts(type, data);
      default:
        return this.#refuse(type, optionReply.unsupported, `option ${type} is not known here`);
    }
  }

  async #tooLong(type: number, length: number): Promise<Step> {
    if (length > mostSkippedBytes) throw new AshlarError('invalid', `option ${type} has ${length} bytes of data`);
    await this.#reader.skip(length);
    return this.#refuse(type, optionReply.tooBig, `the data of option ${type} are too long`);
  }

  /** NBD_OPT_EXPORT_NAME has no reply for errors: the connection ends. */
  async #exportName(length: number): Promise<HandshakeResult> {
    if (this.#mustTls) throw new AshlarError('denied', 'the client named its export before TLS');
    if (length > longestString) throw new AshlarError('invalid', `an export's name has ${length} bytes`);
    const name = Buffer.from(await this.#reader.read(length)).toString('utf8');
    const facts = await this.#directory.find(name, this.#stream.peer);
    if (facts === undefined) throw new AshlarError('not-found', `there is no export '${name}'`);
    const writer = new ByteWriter(134).u64(facts.sizeBytes).u16(transmissionFlags(facts, this.#negotiated(name)));
    if (!this.#noZeroes) writer.bytes(new Uint8Array(124));
    this.#stream.send(writer.finish());
    this.#stream.flush();
    return this.#ready(facts, name);
  }

  async #list(): Promise<Step> {
    for (const { name, description } of await this.#directory.list(this.#stream.peer)) {
      this.#reply(option.list, optionReply.server, encodeServerReply(name, description));
    }
    return this.#reply(option.list, optionReply.ack);
  }

  #startTls(): Step {
    if (this.#afterTls !== undefined) return this.#refuse(option.startTls, optionReply.invalid, 'TLS is on already');
    if (this.#tls === 'off') return this.#refuse(option.startTls, optionReply.policy, 'this server has no TLS');
    this.#reply(option.startTls, optionReply.ack);
    return { kind: 'tls', start: { noZeroes: this.#noZeroes } };
  }

  #structured(): Step {
    if (this.#replies === 'extended') {
      return this.#refuse(option.structuredReply, optionReply.extendedHeadersRequired, 'extended headers are on');
    }
    if (this.#replies === 'structured') {
      return this.#refuse(option.structuredReply, optionReply.invalid, 'structured replies are on already');
    }
    this.#replies = 'structured';
    return this.#reply(option.structuredReply, optionReply.ack);
  }

  #extended(): Step {
    if (this.#replies === 'extended') {
      return this.#refuse(option.extendedHeaders, optionReply.invalid, 'extended headers are on already');
    }
    this.#replies = 'extended';
    this.#chosen = undefined;
    return this.#reply(option.extendedHeaders, optionReply.ack);
  }

  async #info(type: number, data: Uint8Array): Promise<Step> {
    const request = attempt(() => decodeInfoRequest(data));
    if (request === undefined) return this.#refuse(type, optionReply.invalid, 'the request is not well formed');
    const facts = await this.#find(type, request.name);
    if (facts === undefined) return undefined;
    const { minimum, preferred, maximum } = facts.blockSizes;
    const reply = (writer: ByteWriter): void => void this.#reply(type, optionReply.info, writer.finish());
    reply(
      new ByteWriter()
        .u16(info.export)
        .u64(facts.sizeBytes)
        .u16(transmissionFlags(facts, this.#negotiated(request.name))),
    );
    if (request.wanted.includes(info.name)) reply(new ByteWriter().u16(info.name).utf8(facts.name));
    if (request.wanted.includes(info.description) && facts.description !== '') {
      reply(new ByteWriter().u16(info.description).utf8(facts.description));
    }
    reply(new ByteWriter().u16(info.blockSize).u32(minimum).u32(preferred).u32(maximum));
    this.#reply(type, optionReply.ack);
    return type === option.go ? this.#ready(facts, request.name) : undefined;
  }

  async #contexts(type: number, data: Uint8Array): Promise<Step> {
    if (type === option.setMetaContext) this.#chosen = undefined;
    if (this.#replies === 'simple') {
      return this.#refuse(type, optionReply.invalid, 'contexts come behind structured replies');
    }
    const request = attempt(() => decodeContextRequest(data));
    if (request === undefined) return this.#refuse(type, optionReply.invalid, 'the request is not well formed');
    const facts = await this.#find(type, request.name);
    if (facts === undefined) return undefined;
    const list = type === option.listMetaContext;
    const contexts: MetaContext[] = [];
    for (const [index, { name, source }] of offersOf(facts).entries()) {
      const isWanted =
        (list && request.queries.length === 0) || request.queries.some((query) => fits(query, name, list));
      if (!isWanted) continue;
      const id = index + 1;
      contexts.push({ id, source });
      const reply = new ByteWriter().u32(list ? 0 : id).utf8(name);
      this.#reply(type, optionReply.metaContext, reply.finish());
    }
    if (!list) this.#chosen = { exportName: request.name, contexts };
    return this.#reply(type, optionReply.ack);
  }

  async #find(type: number, name: string): Promise<ExportFacts | undefined> {
    try {
      const facts = await this.#directory.find(name, this.#stream.peer);
      if (facts === undefined) this.#refuse(type, optionReply.unknown, `there is no export '${name}'`);
      return facts;
    } catch (error) {
      if (!(error instanceof AshlarError)) throw error;
      const reply = error.kind === 'denied' ? optionReply.policy : optionReply.unknown;
      this.#refuse(
        type,
        error.kind === 'try-later' || error.kind === 'closed' ? optionReply.shutdown : reply,
        error.message,
      );
      return undefined;
    }
  }

  #negotiated(exportName: string): Negotiated {
    const contexts = this.#chosen?.exportName === exportName ? this.#chosen.contexts : [];
    return { exportName, replies: this.#replies, contexts };
  }

  #ready(facts: ExportFacts, exportName: string): HandshakeResult {
    return { kind: 'ready', facts, negotiated: this.#negotiated(exportName) };
  }

  #refuseData(type: number): undefined {
    return this.#refuse(type, optionReply.invalid, `option ${type} has no data`);
  }

  #refuse(type: number, reply: number, sentence: string): undefined {
    return this.#reply(type, reply, encodeText(sentence));
  }

  #reply(type: number, reply: number, data: Uint8Array = new Uint8Array(0)): undefined {
    this.#stream.send(encodeOptionReply(type, reply, data));
    this.#stream.flush();
    return undefined;
  }
}

/** All that a client may choose, always in the same order. */
function offersOf({ capabilities, contexts = [] }: ExportFacts): readonly ContextOffer[] {
  const allocation: ContextOffer = { name: baseAllocation, source: { kind: 'allocation' } };
  return capabilities.extents === 'none' ? contexts : [allocation, ...contexts];
}

/** A query is a name; to list, the beginning of one up to a colon as well. */
function fits(query: string, name: string, list: boolean): boolean {
  return query === name || (list && query.endsWith(':') && name.startsWith(query));
}

/** A sentence for the client's user: it may quote what the client sent, and has the bound of every string. */
function encodeText(sentence: string): Uint8Array {
  const bytes = new Uint8Array(longestString);
  // It ends before the character that has no room.
  const { written } = new TextEncoder().encodeInto(sentence.replaceAll(/\p{Cc}/gu, '?'), bytes);
  return bytes.subarray(0, written);
}

function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof AshlarError) return undefined;
    throw error;
  }
}
