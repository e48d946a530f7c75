import { u16, u32, u64 } from './bytes.ts';
import { command, commandFlag, magic, nameOfCommand, nameOfErrno } from './constants.ts';
import type { Context as MetaContext, ExportInfo } from './negotiation.ts';
import { ConnectionEnded, expect, within } from './outcome.ts';
import type { RawConnection } from './raw-client.ts';
import { Assembly, type Reply, type SentRequest, type Style } from './reply.ts';

export type Request = {
  readonly type: number;
  readonly flags?: number;
  readonly offset?: number | bigint;
  /** The payload's length unless told. */
  readonly length?: number | bigint;
  readonly payload?: Buffer;
  readonly cookie?: bigint;
};

/** Overhead and headroom that a reply's payload may have over what was asked for. */
const payloadSlack = 2 ** 16;
/** 2^20 extents of 16 bytes, and the rest. */
const maximumStatusPayload = 2 ** 24 + payloadSlack;

/** A request as bytes, payload included. With extended headers a payload sets PAYLOAD_LEN. */
export function encodeRequest(style: Style, request: SentRequest, payload?: Buffer): Buffer {
  const { type, cookie, offset, length } = request;
  const isExtended = style === 'extended';
  const header = [
    u32(isExtended ? magic.extendedRequest : magic.request),
    u16(request.flags),
    u16(type),
    u64(cookie),
    u64(offset),
    isExtended ? u64(length) : u32(Number(length)),
  ];
  return Buffer.concat(payload === undefined ? header : [...header, payload]);
}

/** The transmission phase of one connection. */
export class Transmission {
  readonly connection: RawConnection;
  readonly style: Style;
  readonly info: ExportInfo;
  readonly contexts: readonly MetaContext[];
  #pending = new Map<bigint, Assembly>();
  #complete = new Map<bigint, Reply>();
  #lastCookie = 0x8f00_0000_0000_0001n;

  constructor(connection: RawConnection, style: Style, info: ExportInfo, contexts: readonly MetaContext[]) {
    this.connection = connection;
    this.style = style;
    this.info = info;
    this.contexts = contexts;
  }

  /**
   * What will be sent. `contextIds` are those the reply must have, where the request names some of the selected ones.
   * With extended headers a payload sets PAYLOAD_LEN.
   */
  prepare(request: Request, contextIds = this.contexts.map(({ id }) => id)): Buffer {
    const { payload } = request;
    const cookie = request.cookie ?? this.#lastCookie++;
    const sent: SentRequest = {
      type: request.type,
      flags:
        (request.flags ?? 0) | (this.style === 'extended' && payload !== undefined ? commandFlag.payloadLength : 0),
      cookie,
      offset: BigInt(request.offset ?? 0),
      length: BigInt(request.length ?? payload?.length ?? 0),
    };
    if (request.type !== command.disconnect) this.#pending.set(cookie, new Assembly(sent, this.style, contextIds));
    return encodeRequest(this.style, sent, payload);
  }

  /** Sends; the reply is `reply(cookie)`'s. */
  async send(request: Request): Promise<bigint> {
    const cookie = request.cookie ?? this.#lastCookie++;
    await this.connection.write(this.prepare({ ...request, cookie }));
    return cookie;
  }

  async call(request: Request): Promise<Reply> {
    return this.reply(await this.send(request));
  }

  /** The reply to `cookie`; those to other requests that come before it are kept. */
  async reply(cookie: bigint): Promise<Reply> {
    for (;;) {
      const reply = this.#complete.get(cookie);
      if (reply !== undefined) {
        this.#complete.delete(cookie);
        return reply;
      }
      await this.#receive();
    }
  }

  async #receive(): Promise<void> {
    const [oldest] = this.#pending.values();
    const what = `a reply to ${oldest === undefined ? 'nothing' : nameOfCommand(oldest.request.type)}`;
    const first = (await this.connection.read(4, what)).readUInt32BE(0);
    if (first === magic.simpleReply) await this.#receiveSimple();
    else if (first === magic.structuredReply) await this.#receiveChunk(false);
    else if (first === magic.extendedReply) await this.#receiveChunk(true);
    else expect(false, `${what} starts with 0x${first.toString(16).padStart(8, '0')}, which is no magic of a reply`);
  }

  #find(cookie: bigint): Assembly {
    const assembly = this.#pending.get(cookie);
    expect(assembly !== undefined, `a reply has the cookie 0x${cookie.toString(16)}, which no open request has`);
    return assembly;
  }

  async #receiveSimple(): Promise<void> {
    const header = await this.connection.read(12, 'the rest of a simple reply');
    const error = header.readUInt32BE(0);
    const cookie = header.readBigUInt64BE(4);
    const assembly = this.#find(cookie);
    const { type, length } = assembly.request;
    const hasData = error === 0 && type === command.read && this.style === 'simple';
    const data = await this.connection.read(hasData ? Number(length) : 0, 'the data of a read');
    this.#pending.delete(cookie);
    this.#complete.set(cookie, assembly.simple(error, data));
  }

  async #receiveChunk(isExtended: boolean): Promise<void> {
    const kind = isExtended ? 'extended' : 'structured';
    expect(kind === this.style, `a reply is ${kind} although ${this.style} ones were negotiated`);
    const header = await this.connection.read(isExtended ? 28 : 16, `the rest of an ${kind} reply's header`);
    const cookie = header.readBigUInt64BE(4);
    const assembly = this.#find(cookie);
    const { request } = assembly;
    if (isExtended) {
      const offset = header.readBigUInt64BE(12);
      expect(offset === request.offset, `a reply to a request at ${request.offset} says that it was at ${offset}`);
    }
    const length = isExtended ? header.readBigUInt64BE(20) : BigInt(header.readUInt32BE(12));
    const limit =
      request.type === command.blockStatus
        ? maximumStatusPayload
        : Number(request.type === command.read ? request.length : 0n) + payloadSlack;
    expect(length <= limit, `a chunk to ${nameOfCommand(request.type)} has ${length} bytes of payload`);
    const payload = await this.connection.read(Number(length), 'the payload of a chunk');
    const reply = assembly.chunk({ flags: header.readUInt16BE(0), type: header.readUInt16BE(2), payload });
    if (reply === undefined) return;
    this.#pending.delete(cookie);
    this.#complete.set(cookie, reply);
  }

  /** Calls, and fails unless it succeeds. */
  async succeed(request: Request): Promise<Reply> {
    const reply = await this.call(request);
    expect(reply.error === 0, `${nameOfCommand(request.type)} failed with ${describe(reply)}`);
    return reply;
  }

  /** Calls, and fails unless the error is one of `errors`; the connection must go on. */
  async refuse(request: Request, ...errors: readonly number[]): Promise<Reply> {
    const reply = await this.call(request);
    const wanted = errors.map(nameOfErrno).join(' or ');
    expect(
      errors.includes(reply.error),
      `${nameOfCommand(request.type)} was answered by ${describe(reply)}, not ${wanted}`,
    );
    await this.ping();
    return reply;
  }

  /**
   * Calls a request that the document forbids to clients, for which a server may end the connection: only that it is
   * not carried out counts. Resolves to the error, or to undefined where the connection ended.
   */
  async reject(request: Request): Promise<number | undefined> {
    try {
      const reply = await this.call(request);
      expect(reply.error !== 0, `${nameOfCommand(request.type)} succeeded`);
      return reply.error;
    } catch (error) {
      if (error instanceof ConnectionEnded) return undefined;
      throw error;
    }
  }

  async read(offset: number, length: number, flags = 0): Promise<Buffer> {
    return (await this.succeed({ type: command.read, offset, length, flags })).data;
  }

  async write(offset: number, payload: Buffer, flags = 0): Promise<void> {
    await this.succeed({ type: command.write, offset, payload, flags });
  }

  /** A small read that shows that the server still understands this connection. */
  async ping(): Promise<void> {
    const length = Math.min(Math.max(4096, this.info.blockSize?.minimum ?? 1), this.info.size);
    await within('the next request', () => this.succeed({ type: command.read, offset: 0, length }));
  }
}

/** An error with its message. */
export function describe(reply: Reply): string {
  return nameOfErrno(reply.error) + (reply.message === '' ? '' : ` (${reply.message})`);
}
