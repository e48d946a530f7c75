import {
  alignDown,
  AssertionError,
  costOf,
  isPromise,
  KiB,
  MiB,
  type Flow,
  type Settled,
  type Stream,
} from '@ashlar/core';
import {
  CallHead,
  fragmentHeadAt,
  fragmentHeadBytes,
  headRoom,
  RecordAssembler,
  writeAccepted,
  writeRecordHead,
  writeRejected,
  XdrReader,
  XdrWriter,
  type Inbox,
  type PooledBuffer,
  type Rejection,
  type SessionMemory,
} from '@ashlar/wire';
import { HeldCall, type CallPlace } from './held-call.ts';
import { waitingCall } from './kept-call.ts';
import type { ServedCall } from './served-call.ts';

/** Bounds of one connection: above them no call is read until some are answered. */
const mostCalls = 256;
const mostBytes = 32 * MiB;
const mostQueuedBytes = 16 * MiB;

/** A call with as much data as there may be, and its names and handles. */
const mostRecordBytes = MiB + 64 * KiB;

/** A record that is put together in an inbox where it does not lie in one already: larger ones have memory of their own. */
const mostCarriedBytes = 64 * KiB;

/** Of a large record so much is waited for, to see where its data begins. */
const leastSeenBytes = KiB;

/** What a call is answered with: results behind the head of a reply, a rejection, a reply that is written already, or nothing. */
export type Answer =
  | { readonly kind: 'results'; readonly write: (writer: XdrWriter) => void }
  /** `bytes`: a whole record with its head, which is the session's until it calls `sent`. */
  | { readonly kind: 'record'; readonly bytes: Uint8Array; readonly sent: () => void }
  | { readonly kind: 'rejected'; readonly rejection: Rejection }
  /** It is a retransmission of one that is being answered. */
  | { readonly kind: 'none' };

/** An answer of results that are written when it goes out. */
export const resultsAnswer = (write: (writer: XdrWriter) => void): Answer => ({ kind: 'results', write });

export type RpcSessionOptions = {
  readonly stream: Stream;
  readonly memory: SessionMemory;
  /** Throws and rejects only where something is wrong with us. */
  readonly serve: (call: ServedCall) => Settled<Answer>;
  /** Where in a large call, of which at least a KiB is there, its data begins; 0: it has none. Data lies so that devices reach it without a copy. */
  readonly dataOffset: (call: Buffer) => number;
  /** How much its answer may have at the most, besides what every answer has. */
  readonly answerBytes: (head: CallHead, call: Buffer) => number;
  /** The connection's share of the thread. */
  readonly flow: Flow;
  /** Called once, when the connection is gone and nothing of it is in flight any more. */
  readonly onEnd: (error: Error | undefined) => void;
};

/** A large record that is being received: where it lies, and how much of it is there. */
type Large = { readonly buffer: PooledBuffer; readonly start: number; readonly length: number; there: number };

/** One connection that speaks ONC RPC: calls are served as they come, in turns with those of others, and answered as they end, in any order. */
export class RpcSession {
  readonly #stream: Stream;
  readonly #memory: SessionMemory;
  readonly #serve: RpcSessionOptions['serve'];
  readonly #onEnd: RpcSessionOptions['onEnd'];
  readonly #dataOffset: RpcSessionOptions['dataOffset'];
  readonly #answerBytes: RpcSessionOptions['answerBytes'];
  readonly #flow: Flow;
  readonly #head = new CallHead();
  readonly #reader = new XdrReader();
  readonly #assembler = new RecordAssembler(mostRecordBytes);
  /** The beginning of a record, from the beginning of an inbox of its own on. */
  #carried: { readonly inbox: Inbox; length: number } | undefined;
  #large: Large | undefined;
  /** What was received and not yet parsed, while the connection is over its bounds. */
  #waiting: { readonly inbox: Inbox; at: number; readonly end: number } | undefined;
  #calls = 0;
  #bytes = 0;
  #isStalled = false;
  #isEnding = false;
  #isClosed = false;
  #isTold = false;
  #error: Error | undefined;

  constructor({ answerBytes, dataOffset, flow, memory, onEnd, serve, stream }: RpcSessionOptions) {
    this.#stream = stream;
    this.#memory = memory;
    this.#serve = serve;
    this.#onEnd = onEnd;
    this.#dataOffset = dataOffset;
    this.#answerBytes = answerBytes;
    this.#flow = flow;
    stream.onReadable = () => this.#readable();
    stream.onDrain = () => this.#resume();
    stream.onClose = (error) => this.#gone(error);
  }

  /** Calls that are not answered yet. */
  get inFlight(): number {
    return this.#calls;
  }

  /** Begins with what has arrived already. */
  start(): void {
    this.#readable();
  }

  /** Reads no more, answers what is in flight, and ends the connection. */
  drain(): void {
    this.#isEnding = true;
    this.#finishIfIdle();
  }

  #readable(): void {
    try {
      this.#receive();
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #receive(): void {
    if (this.#waiting !== undefined && !this.#parseWaiting()) return;
    while (!this.#isStalled && !this.#isEnding && !this.#isClosed) {
      if (this.#large !== undefined || !this.#assembler.isEmpty) {
        if (!(this.#large === undefined ? this.#receiveRest() : this.#receiveLarge(this.#large))) return;
        continue;
      }
      const carried = this.#carried;
      const inbox = carried?.inbox ?? this.#memory.inboxes.take();
      const from = carried?.length ?? 0;
      let count: number;
      try {
        count = this.#stream.receive(inbox.bytes, from, inbox.bytes.length - from);
      } catch (error) {
        if (carried === undefined) this.#memory.inboxes.release(inbox);
        throw error;
      }
      if (count <= 0) {
        if (carried === undefined) this.#memory.inboxes.release(inbox);
        if (count < 0) this.drain();
        return;
      }
      this.#carried = undefined;
      this.#parse(inbox, 0, from + count);
    }
  }

  /** Of a record that has memory of its own. Gives false where no more is there now. */
  #receiveRest(): boolean {
    const { at, bytes, length } = this.#assembler.next();
    const count = this.#stream.receive(bytes, at, length);
    if (count < 0) this.drain();
    if (count <= 0) return false;
    const record = this.#assembler.came(count);
    if (record === undefined) return true;
    this.#record(record, 0, record.length, {});
    this.#bound();
    return true;
  }

  #receiveLarge(large: Large): boolean {
    const { buffer, length, start } = large;
    while (large.there < length) {
      const count = this.#stream.receive(buffer.bytes, start + large.there, length - large.there);
      if (count < 0) this.drain();
      if (count <= 0) return false;
      large.there += count;
    }
    this.#large = undefined;
    const bytes = Buffer.from(buffer.bytes.buffer, buffer.bytes.byteOffset, buffer.bytes.length);
    this.#record(bytes, start, start + length, { buffer });
    this.#bound();
    return true;
  }

  #parseWaiting(): boolean {
    const waiting = this.#waiting;
    if (waiting === undefined) return true;
    if (this.#isStalled) return false;
    this.#waiting = undefined;
    this.#parse(waiting.inbox, waiting.at, waiting.end);
    return this.#waiting === undefined;
  }

  /** Serves the records that lie in an inbox, and gives it back unless it is kept for what is not whole, or is read from. */
  #parse(inbox: Inbox, from: number, end: number): void {
    const bytes = Buffer.from(inbox.bytes.buffer, inbox.bytes.byteOffset, inbox.bytes.length);
    let at = from;
    while (at < end && !this.#isEnding && !this.#isClosed) {
      if (this.#isStalled) {
        this.#waiting = { inbox, at, end };
        return;
      }
      const there = end - at;
      const head = there < fragmentHeadBytes ? undefined : fragmentHeadAt(bytes, at);
      if (head?.isLast === true && head.length <= there - fragmentHeadBytes) {
        const start = at + fragmentHeadBytes;
        at = start + head.length;
        this.#record(bytes, start, at, { inbox });
        this.#bound();
        continue;
      }
      const isWhole = head?.isLast === true && head.length <= mostRecordBytes;
      if (head === undefined || (isWhole && (head.length <= mostCarriedBytes || there < leastSeenBytes))) {
        this.#carry(inbox, bytes, at, end);
        return;
      }
      if (isWhole) {
        this.#beginLarge(bytes, at + fragmentHeadBytes, end, head.length);
        break;
      }
      at = this.#assemble(bytes, at, end);
    }
    this.#memory.inboxes.release(inbox);
  }

  /** What is not whole is kept, from the beginning of an inbox on. */
  #carry(inbox: Inbox, bytes: Buffer, at: number, end: number): void {
    const isAlone = inbox.refs === 1;
    const into = isAlone ? inbox : this.#memory.inboxes.take();
    into.bytes.set(bytes.subarray(at, end));
    if (!isAlone) this.#memory.inboxes.release(inbox);
    this.#carried = { inbox: into, length: end - at };
  }

  /** What is there of a large record goes to where the rest of it will be received. */
  #beginLarge(bytes: Buffer, at: number, end: number, length: number): void {
    const buffer = this.#memory.buffers.take(length);
    const there = bytes.subarray(at, end);
    const offset = this.#dataOffset(there);
    const start = headRoom - (offset <= headRoom ? offset : 0);
    buffer.bytes.set(there, start);
    this.#large = { buffer, start, length, there: there.length };
  }

  /** Puts a record together that does not lie in one piece. Gives where what is behind it begins. */
  #assemble(bytes: Buffer, from: number, end: number): number {
    for (let at = from; at < end;) {
      const place = this.#assembler.next();
      const count = Math.min(place.length, end - at);
      bytes.copy(place.bytes, place.at, at, at + count);
      at += count;
      const record = this.#assembler.came(count);
      if (record === undefined) continue;
      this.#record(record, 0, record.length, {});
      this.#bound();
      return at;
    }
    return end;
  }

  /** Serves one call, now or when it is its turn. Throws where it is none. */
  #record(bytes: Buffer, from: number, to: number, place: CallPlace): void {
    const [head, reader] = [this.#head, this.#reader];
    const { buffer, inbox } = place;
    reader.reset(bytes, from, to);
    let rejection: Rejection | undefined;
    try {
      rejection = head.read(reader);
    } catch (error) {
      if (buffer !== undefined) this.#memory.buffers.give(buffer);
      throw error;
    }
    const held = new HeldCall(head.xid, to - from, place, this.#begin);
    this.#calls += 1;
    this.#memory.inFlight += 1;
    this.#bytes += held.weight;
    if (inbox !== undefined) inbox.refs += 1;
    if (rejection !== undefined) return this.#answer(held, { kind: 'rejected', rejection });
    const record = bytes.subarray(from, to);
    // Data without what is around it: 1 MiB is no more than that.
    held.cost = costOf(alignDown(held.weight, 4 * KiB) + this.#answerBytes(head, record));
    held.call = { head, reader, peer: this.#stream.peer, record };
    this.#flow.submit(held);
    // Head and reader are the next call's where this one has to wait.
    if (held.call !== undefined) held.call = waitingCall(held.call);
  }

  /** Perhaps called by another connection, as something of it has ended. */
  readonly #begin = (held: HeldCall): void => {
    const { call } = held;
    held.call = undefined;
    // Who is gone comes again, and asks again.
    if (this.#isClosed || call === undefined) return this.#answer(held, { kind: 'none' });
    let answer: Settled<Answer>;
    try {
      answer = this.#serve(call);
    } catch (error) {
      return this.#failed(held, error);
    }
    if (!isPromise(answer)) return this.#answer(held, answer);
    answer.then(
      (found) => this.#answer(held, found),
      (error: unknown) => this.#failed(held, error),
    );
  };

  #failed(held: HeldCall, error: unknown): void {
    if (error instanceof AssertionError) throw error;
    this.#answer(held, { kind: 'rejected', rejection: { kind: 'system-error' } });
  }

  #answer(held: HeldCall, answer: Answer): void {
    this.#calls -= 1;
    this.#memory.inFlight -= 1;
    this.#bytes -= held.weight;
    const { buffer, inbox } = held.place;
    if (inbox !== undefined) this.#memory.inboxes.release(inbox);
    if (buffer !== undefined) this.#memory.buffers.give(buffer);
    if (answer.kind === 'record') {
      if (this.#isClosed) answer.sent();
      else this.#stream.send(answer.bytes, answer.sent);
    } else if (answer.kind === 'rejected') this.#reject(held.xid, answer.rejection);
    else if (answer.kind === 'results') {
      this.#send((writer) => {
        writeAccepted(writer, held.xid);
        answer.write(writer);
      });
    }
    // A call that was rejected had no turn. What begins now writes replies of its own.
    if (held.cost > 0) this.#flow.ended(held.cost);
    if (this.#isStalled) this.#resume();
    this.#finishIfIdle();
  }

  #reject(xid: number, rejection: Rejection): void {
    this.#send((writer) => writeRejected(writer, xid, rejection));
  }

  /** A reply of one fragment: what is small is copied by the stream at once, and what is not has memory of its own. */
  #send(write: (writer: XdrWriter) => void): void {
    if (this.#isClosed) return;
    const writer = replies.reset().u32(0);
    write(writer);
    const record = writer.bytes();
    writeRecordHead(record, 0, record.length - fragmentHeadBytes);
    if (record.length < smallReplyBytes) return this.#stream.send(record);
    const buffer = this.#memory.buffers.take(record.length);
    const bytes = buffer.payload(record.length);
    bytes.set(record);
    this.#stream.send(bytes, () => this.#memory.buffers.give(buffer));
  }

  /** After each call: a reply has a place in memory too. */
  #bound(): void {
    this.#isStalled =
      this.#bytes >= mostBytes || this.#calls >= mostCalls || this.#stream.queuedBytes >= mostQueuedBytes;
    if (this.#isStalled) this.#stream.pause();
  }

  #resume(): void {
    if (!this.#isStalled || this.#isClosed) return;
    const isOver =
      this.#bytes > mostBytes / 2 || this.#calls > mostCalls / 2 || this.#stream.queuedBytes > mostQueuedBytes / 2;
    if (isOver) return;
    this.#isStalled = false;
    this.#stream.resume();
  }

  #finishIfIdle(): void {
    if (this.#isEnding && this.#calls === 0 && !this.#isClosed) this.#stream.end();
    if (this.#isClosed && this.#calls === 0) this.#tellEnd();
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#stream.destroy();
  }

  #gone(error: Error | undefined): void {
    this.#isClosed = true;
    this.#error ??= error;
    for (const inbox of [this.#carried?.inbox, this.#waiting?.inbox]) {
      if (inbox !== undefined) this.#memory.inboxes.release(inbox);
    }
    if (this.#large !== undefined) this.#memory.buffers.give(this.#large.buffer);
    this.#carried = undefined;
    this.#waiting = undefined;
    this.#large = undefined;
    if (this.#calls === 0) this.#tellEnd();
  }

  #tellEnd(): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.#onEnd(this.#error);
  }
}

/** Of all sessions of a thread: each reply is written and gone before the next. */
const replies = new XdrWriter(64 * KiB);

/** What a stream copies at once, whoever it is. */
const smallReplyBytes = 4 * KiB;
