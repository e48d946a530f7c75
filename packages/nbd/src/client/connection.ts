import { AshlarError, type Extent, type Stream } from '@ashlar/core';
import { chunk, chunkFlag, command, extentFlag } from '../codec/constants.ts';
import { kindOfError } from '../codec/errors.ts';
import { extendedReplySize, readU64, ReplyHead } from '../codec/reply.ts';
import { extendedRequestSize, RequestHead } from '../codec/request.ts';
import type { ServerFacts } from './negotiate.ts';

/** One request as the device made it; it can be sent again on another connection. */
export type Request = {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly length: number;
  /** A write's bytes. */
  readonly from?: Uint8Array;
  /** A read's place. */
  readonly into?: Uint8Array;
  /** What BLOCK_STATUS said. */
  extents?: Extent[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  error?: AshlarError;
  /** Bytes of a read that came. */
  got: number;
};

/** Chunks without data of a read are never longer than this. */
const mostChunkBytes = 1024 * 1024;

/** One connection in transmission: sends requests, and gives each its answer. */
export class Connection {
  readonly facts: ServerFacts;
  readonly #stream: Stream;
  readonly #pending = new Map<number, Request>();
  readonly #onClose: (unanswered: readonly Request[]) => void;
  readonly #head = new ReplyHead();
  readonly #headBytes = new Uint8Array(extendedReplySize);
  readonly #headView = new DataView(this.#headBytes.buffer);
  readonly #request = new RequestHead();
  readonly #requestBytes = new Uint8Array(extendedRequestSize);
  readonly #requestView = new DataView(this.#requestBytes.buffer);
  #headAt = 0;
  /** Where the bytes behind a head go. */
  #body: { readonly request: Request; readonly into: Uint8Array; at: number; readonly next: () => void } | undefined;
  #nextCookie = 1;
  #closed = false;

  constructor(stream: Stream, facts: ServerFacts, onClose: (unanswered: readonly Request[]) => void) {
    this.#stream = stream;
    this.facts = facts;
    this.#onClose = onClose;
    stream.onReadable = () => this.#readable();
    stream.onClose = () => this.#gone();
  }

  get inFlight(): number {
    return this.#pending.size;
  }

  send(request: Request): void {
    const head = this.#request;
    const cookie = this.#nextCookie;
    this.#nextCookie += 1;
    this.#pending.set(cookie, request);
    head.type = request.type;
    head.flags = request.flags;
    head.cookieHigh = Math.floor(cookie / 2 ** 32);
    head.cookieLow = cookie % 2 ** 32;
    head.offset = request.offset;
    head.length = request.length;
    const size = head.encode(this.#requestView, 0, this.facts.replies === 'extended');
    this.#stream.send(this.#requestBytes.subarray(0, size));
    // The request keeps its bytes until it settles, so the stream may send them from where they are.
    if (request.from !== undefined) this.#stream.send(request.from, () => undefined);
    this.#stream.flush();
  }

  /** Says goodbye. What is in flight gets its answer first. */
  disconnect(): void {
    const head = this.#request;
    head.type = command.disconnect;
    head.flags = 0;
    head.offset = 0;
    head.length = 0;
    const size = head.encode(this.#requestView, 0, this.facts.replies === 'extended');
    this.#stream.send(this.#requestBytes.subarray(0, size));
    this.#stream.end();
  }

  destroy(): void {
    this.#stream.destroy();
  }

  #readable(): void {
    try {
      while (!this.#closed && this.#step());
    } catch {
      // Whatever is wrong with this connection: its requests go to another one.
      this.#stream.destroy();
    }
  }

  /** Takes one piece; false when there is nothing now. */
  #step(): boolean {
    const body = this.#body;
    if (body !== undefined) {
      if (body.at < body.into.length) {
        const count = this.#stream.receive(body.into, body.at, body.into.length - body.at);
        if (count < 0) this.#stream.destroy();
        if (count <= 0) return false;
        body.at += count;
      }
      if (body.at < body.into.length) return true;
      this.#body = undefined;
      body.next();
      return true;
    }
    const wanted = this.#headAt < 16 ? 16 : this.#headSize();
    const count = this.#stream.receive(this.#headBytes, this.#headAt, wanted - this.#headAt);
    if (count < 0) this.#stream.destroy();
    if (count <= 0) return false;
    this.#headAt += count;
    const size = this.#head.decode(this.#headView, 0, this.#headAt);
    if (size < 0) throw new AshlarError('invalid', 'the server sent something else than a reply');
    if (size > 0) {
      this.#headAt = 0;
      this.#reply();
    }
    return true;
  }

  #headSize(): number {
    return this.facts.replies === 'extended' ? extendedReplySize : 20;
  }

  #reply(): void {
    const head = this.#head;
    const request = this.#pending.get(head.cookie);
    if (request === undefined) throw new AshlarError('invalid', 'the server answered what nobody asked');
    if (head.kind === 'simple') {
      if (head.error !== 0) request.error = serverError(request, head.error, '');
      if (head.error === 0 && request.into !== undefined) {
        request.got = request.into.length;
        this.#receive(request, request.into, () => this.#finish(head.cookie, request));
      } else this.#finish(head.cookie, request);
      return;
    }
    const { cookie, flags, type, length } = head;
    const done = (flags & chunkFlag.done) !== 0;
    const end = (): void => {
      if (done) this.#finish(cookie, request);
    };
    if (type === chunk.none) end();
    else if (type === chunk.offsetData) this.#data(request, length, end);
    else if (length > mostChunkBytes) throw new AshlarError('invalid', 'the server sent too long a chunk');
    else {
      const bytes = new Uint8Array(length);
      this.#receive(request, bytes, () => {
        this.#chunk(request, type, bytes);
        end();
      });
    }
  }

  /** NBD_REPLY_TYPE_OFFSET_DATA: an offset, then bytes that go where they belong. */
  #data(request: Request, length: number, end: () => void): void {
    const place = new Uint8Array(8);
    this.#receive(request, place, () => {
      const at = readU64(new DataView(place.buffer), 0) - request.offset;
      const bytes = length - 8;
      if (request.into === undefined || at < 0 || bytes <= 0 || at + bytes > request.into.length) {
        throw new AshlarError('invalid', 'the server sent data that nobody asked for');
      }
      request.got += bytes;
      this.#receive(request, request.into.subarray(at, at + bytes), end);
    });
  }

  #chunk(request: Request, type: number, bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (type === chunk.offsetHole) {
      const at = readU64(view, 0) - request.offset;
      const length = view.getUint32(8);
      if (request.into === undefined || at < 0 || at + length > request.into.length) {
        throw new AshlarError('invalid', 'the server sent a hole that nobody asked for');
      }
      request.into.fill(0, at, at + length);
      request.got += length;
    } else if (type === chunk.blockStatus || type === chunk.blockStatusExtended) {
      request.extents = extentsFrom(view, type === chunk.blockStatusExtended, request.offset);
    } else if (type >= chunk.error) {
      const text = Buffer.from(bytes.buffer, bytes.byteOffset + 6, view.getUint16(4)).toString('utf8');
      request.error = serverError(request, view.getUint32(0), text);
    }
  }

  #receive(request: Request, into: Uint8Array, next: () => void): void {
    this.#body = { request, into, at: 0, next };
  }

  #finish(cookie: number, request: Request): void {
    this.#pending.delete(cookie);
    if (request.error !== undefined) request.reject(request.error);
    else if (request.into !== undefined && request.got < request.into.length) {
      request.reject(new AshlarError('io', 'the server sent less than it was asked for'));
    } else request.resolve();
  }

  #gone(): void {
    if (this.#closed) return;
    this.#closed = true;
    const unanswered = [...this.#pending.values()];
    this.#pending.clear();
    this.#onClose(unanswered);
  }
}

function extentsFrom(view: DataView, extended: boolean, offset: number): Extent[] {
  const extents: Extent[] = [];
  let at = offset;
  for (let place = extended ? 8 : 4; place < view.byteLength; place += extended ? 16 : 8) {
    const length = extended ? readU64(view, place) : view.getUint32(place);
    const flags = view.getUint32(place + (extended ? 12 : 4));
    const zero = (flags & extentFlag.zero) !== 0;
    const state = zero ? ((flags & extentFlag.hole) === 0 ? 'zero' : 'hole') : 'data';
    extents.push({ offset: at, length, state });
    at += length;
  }
  return extents;
}

function serverError({ offset, length }: Request, code: number, text: string): AshlarError {
  const sentence = text === '' ? `the server answered error ${code}` : text;
  return new AshlarError(kindOfError(code), sentence, { offset, length });
}
