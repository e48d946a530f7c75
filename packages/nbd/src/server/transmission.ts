import { AssertionError, costOf, errorKindOf, MiB, type BlockDevice, type Flow, type Stream } from '@ashlar/core';
import type { Inbox, PooledBuffer, SessionMemory } from '@ashlar/wire';
import { command, commandFlag, errorCode } from '../codec/constants.ts';
import { errorOfKind } from '../codec/errors.ts';
import { readU64 } from '../codec/reply.ts';
import { compactRequestSize, extendedRequestSize, RequestHead } from '../codec/request.ts';
import { statusOf, type ContextRuns } from './block-status.ts';
import { checkRequest } from './check-request.ts';
import type { Negotiated } from './negotiation.ts';
import { Operation, type OperationOwner } from './operation.ts';
import { Replies } from './replies.ts';

/** Bounds of one connection: above them no request is read until some are answered. */
const mostRequests = 1024;
const mostBytes = 64 * MiB;
const mostQueuedBytes = 32 * MiB;

/** Payloads of refused writes above this are not waited for: the connection ends. */
const mostSkippedBytes = 64 * MiB;

/** Extents in one reply. */
const mostExtents = 2048;

/** Descriptor lengths of compact replies have 32 bits; whole blocks. */
const mostCompactLength = 2 ** 32 - 65536;

export type TransmissionOptions = {
  readonly stream: Stream;
  readonly device: BlockDevice;
  /** The export is, whatever the device. */
  readonly readOnly: boolean;
  readonly negotiated: Negotiated;
  /** Changes the size, where the client may. */
  readonly resize?: BlockDevice['resize'] | undefined;
  readonly memory: SessionMemory;
  /** The volume's, of all its connections. */
  readonly flow: Flow;
  /** Called once, when the connection is gone and nothing of it is in flight any more. */
  readonly onEnd: (error: Error | undefined) => void;
};

/**
 * The transmission phase of one connection: one parse loop over what arrived, requests dispatched at once or in their volume's
 * turn, and answered as they end, in any order. A small payload is written from where it was received; a large one is
 * received into memory of its own.
 */
export class TransmissionSession implements OperationOwner {
  readonly #stream: Stream;
  readonly #device: BlockDevice;
  readonly #readOnly: boolean;
  readonly #negotiated: Negotiated;
  readonly #resize: TransmissionOptions['resize'];
  readonly #memory: SessionMemory;
  readonly #flow: Flow;
  readonly #replies: Replies;
  readonly #onEnd: (error: Error | undefined) => void;
  readonly #headSize: number;
  readonly #extended: boolean;
  readonly #head = new RequestHead();
  readonly #idle: Operation[] = [];
  /** A request's beginning that came without its rest. */
  readonly #carry = new Uint8Array(extendedRequestSize);
  #carried = 0;
  /** What was received and not yet parsed, while the connection is over its bounds. */
  #held: { readonly inbox: Inbox; at: number; readonly end: number } | undefined;
  /** The payload that is being received. */
  #payload: { readonly operation: Operation; readonly buffer: PooledBuffer; at: number } | undefined;
  #skip = 0;
  #expectLarge = false;
  #requests = 0;
  #bytes = 0;
  #stalled = false;
  #ending = false;
  #closed = false;
  #error: Error | undefined;

  constructor({ stream, device, readOnly, negotiated, resize, memory, flow, onEnd }: TransmissionOptions) {
    this.#stream = stream;
    this.#device = device;
    this.#readOnly = readOnly || device.readOnly;
    this.#negotiated = negotiated;
    this.#resize = this.#readOnly ? undefined : resize;
    this.#memory = memory;
    this.#flow = flow;
    this.#onEnd = onEnd;
    this.#extended = negotiated.replies === 'extended';
    this.#headSize = this.#extended ? extendedRequestSize : compactRequestSize;
    this.#replies = new Replies(stream, negotiated.replies);
    stream.onReadable = () => this.#readable();
    stream.onDrain = () => this.#resume();
    stream.onClose = (error) => this.#gone(error);
  }

  /** Requests that are not answered yet. */
  get inFlight(): number {
    return this.#requests;
  }

  /** Begins with what has arrived already. */
  start(): void {
    this.#readable();
  }

  /** Reads no more, answers what is in flight, and ends the connection. */
  drain(): void {
    this.#ending = true;
    this.#dropPayload();
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
    if (this.#held !== undefined && !this.#parseHeld()) return;
    while (!this.#stalled && !this.#ending && !this.#closed) {
      if (this.#payload !== undefined) {
        if (!this.#receivePayload()) return;
        continue;
      }
      const inbox = this.#memory.inboxes.take();
      inbox.bytes.set(this.#carry.subarray(0, this.#carried));
      const from = this.#carried;
      const room = this.#expectLarge && this.#skip === 0 ? this.#headSize - from : inbox.bytes.length - from;
      let count: number;
      try {
        count = this.#stream.receive(inbox.bytes, from, room);
      } catch (error) {
        this.#memory.inboxes.release(inbox);
        throw error;
      }
      if (count <= 0) {
        this.#memory.inboxes.release(inbox);
        if (count < 0) this.drain();
        return;
      }
      this.#carried = 0;
      this.#parse(inbox, 0, from + count);
    }
  }

  #parseHeld(): boolean {
    const held = this.#held;
    if (held === undefined) return true;
    if (this.#stalled) return false;
    this.#held = undefined;
    this.#parse(held.inbox, held.at, held.end);
    return this.#held === undefined;
  }

  /** Parses what lies in the inbox, and gives it back unless it is held or written from. */
  #parse(inbox: Inbox, from: number, end: number): void {
    let at = from;
    while (at < end && !this.#ending && !this.#closed) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, end - at);
        this.#skip -= skipped;
        at += skipped;
        continue;
      }
      if (this.#stalled) {
        this.#held = { inbox, at, end };
        return;
      }
      if (end - at < this.#headSize) {
        this.#carry.set(inbox.bytes.subarray(at, end));
        this.#carried = end - at;
        break;
      }
      if (!this.#head.decode(inbox.view, at, this.#extended)) {
        this.#fail(new Error('the client sent something else than a request'));
        break;
      }
      at = this.#request(inbox, at + this.#headSize, end);
      this.#bound();
    }
    this.#memory.inboxes.release(inbox);
  }

  /** Takes one request whose head is decoded; gives where the next one begins. */
  #request(inbox: Inbox, at: number, end: number): number {
    const head = this.#head;
    if (head.type === command.disconnect) {
      this.drain();
      return end;
    }
    const payload = this.#payloadLength(head);
    const errno = checkRequest(head, this.#device, this.#readOnly, this.#negotiated, this.#resize !== undefined);
    if (errno !== 0 || (payload > 0 && head.type !== command.write && head.type !== command.blockStatus)) {
      return this.#refuse(errno === 0 ? errorCode.EINVAL : errno, payload, at, end);
    }
    const operation = this.#idle.pop() ?? new Operation(this);
    operation.start(head);
    this.#requests += 1;
    this.#memory.inFlight += 1;
    if (head.type === command.blockStatus && payload > 0)
      return this.#contextPayload(operation, payload, inbox, at, end);
    operation.weight = head.type === command.read || head.type === command.write ? head.length : 0;
    this.#bytes += operation.weight;
    if (head.type !== command.write) {
      this.#submit(operation);
      return at;
    }
    this.#expectLarge = payload >= 64 * 1024;
    if (end - at >= payload) {
      operation.inbox = inbox;
      operation.inboxAt = at;
      inbox.refs += 1;
      this.#submit(operation);
      return at + payload;
    }
    const buffer = this.#memory.buffers.take(payload);
    operation.buffer = buffer;
    buffer.payload(end - at).set(inbox.bytes.subarray(at, end));
    this.#payload = { operation, buffer, at: end - at };
    return end;
  }

  /** Bytes that follow the head. */
  #payloadLength(head: RequestHead): number {
    if (this.#extended) return (head.flags & commandFlag.payloadLength) === 0 ? 0 : head.length;
    return head.type === command.write ? head.length : 0;
  }

  #refuse(errno: number, payload: number, at: number, end: number): number {
    if (payload > mostSkippedBytes) {
      this.#fail(new Error(`the client announced a payload of ${payload} bytes`));
      return end;
    }
    this.#replies.error(this.#head, errno);
    this.#skip = payload;
    return at;
  }

  /** BLOCK_STATUS with a payload: the length of the range and the contexts wanted. It lies in one piece or is refused. */
  #contextPayload(operation: Operation, payload: number, inbox: Inbox, at: number, end: number): number {
    const count = (payload - 8) / 4;
    if (end - at < payload || payload < 8 || !Number.isInteger(count)) {
      this.#replies.error(operation, errorCode.EINVAL);
      this.#ended(operation);
      this.#skip = payload;
      return at;
    }
    operation.length = readU64(inbox.view, at);
    const wanted = Array.from({ length: count }, (_, index) => inbox.view.getUint32(at + 8 + index * 4));
    const chosen = this.#negotiated.contexts.filter(({ id }) => wanted.includes(id));
    const known = chosen.length === wanted.length;
    if (!known || operation.length === 0 || !(operation.offset + operation.length <= this.#device.sizeBytes)) {
      this.#replies.error(operation, errorCode.EINVAL);
      this.#ended(operation);
    } else {
      operation.chosen = chosen;
      this.#submit(operation);
    }
    return at + payload;
  }

  #receivePayload(): boolean {
    const receiving = this.#payload;
    if (receiving === undefined) return true;
    const { operation, buffer } = receiving;
    const payload = buffer.payload(operation.length);
    while (receiving.at < operation.length) {
      const count = this.#stream.receive(payload, receiving.at, operation.length - receiving.at);
      if (count === 0) return false;
      if (count < 0) {
        this.drain();
        return false;
      }
      receiving.at += count;
    }
    this.#payload = undefined;
    this.#submit(operation);
    return true;
  }

  #submit(operation: Operation): void {
    operation.cost = costOf(operation.weight);
    this.#flow.submit(operation);
  }

  /** Perhaps called by another connection: what goes wrong is this one's own. */
  begin(operation: Operation): void {
    try {
      this.#dispatch(operation);
    } catch (error) {
      this.failed(operation, error);
    }
  }

  #dispatch(operation: Operation): void {
    const device = this.#device;
    const { type, flags, offset, length } = operation;
    const durable = (flags & commandFlag.fua) !== 0;
    switch (type) {
      case command.read:
        if (length === 0) {
          operation.follow(undefined);
          return;
        }
        operation.buffer = this.#memory.buffers.take(length);
        operation.follow(device.read(offset, operation.buffer?.payload(length) ?? new Uint8Array(0)));
        return;
      case command.write:
        operation.follow(device.write(offset, operation.payload(), durable));
        return;
      case command.flush:
        operation.follow(device.flush());
        return;
      case command.trim:
        operation.follow(device.trim(offset, length, durable));
        return;
      case command.writeZeroes: {
        const mode = (flags & commandFlag.noHole) === 0 ? 'may-trim' : 'keep-allocated';
        operation.follow(device.zero(offset, length, mode, durable));
        return;
      }
      case command.resize:
        operation.follow(this.#resize?.(offset));
        return;
      case command.cache:
        operation.follow(device.prefetch(offset, length));
        return;
      default:
        this.#blockStatus(operation);
    }
  }

  #blockStatus(operation: Operation): void {
    const { flags, offset, length } = operation;
    const limit = (flags & commandFlag.reqOne) === 0 ? mostExtents : 1;
    const asked = this.#extended ? length : Math.min(length, mostCompactLength);
    operation.follow(statusOf(this.#device, operation.chosen ?? this.#negotiated.contexts, offset, asked, limit));
  }

  succeeded(operation: Operation, status: readonly ContextRuns[] | undefined): void {
    if (operation.type === command.read) {
      this.#release(operation);
      // `sent` gives it back, perhaps before `data` returns; without a payload nothing is sent from it.
      const empty = operation.buffer === undefined;
      this.#replies.data(operation);
      if (empty) this.#idle.push(operation);
      this.#answered();
      return;
    }
    if (status !== undefined && status.length > 0) this.#replies.blockStatus(operation, status);
    else this.#replies.ok(operation);
    this.#ended(operation);
  }

  failed(operation: Operation, error: unknown): void {
    if (error instanceof AssertionError) throw error;
    this.#replies.error(operation, errorOfKind[errorKindOf(error)], error);
    this.#ended(operation);
  }

  /** A read's payload left: its memory is free. */
  sent(operation: Operation): void {
    if (operation.buffer !== undefined) this.#memory.buffers.give(operation.buffer);
    operation.buffer = undefined;
    this.#idle.push(operation);
  }

  #ended(operation: Operation): void {
    this.#release(operation);
    if (operation.buffer !== undefined) this.#memory.buffers.give(operation.buffer);
    operation.buffer = undefined;
    this.#idle.push(operation);
    this.#answered();
  }

  #release(operation: Operation): void {
    this.#requests -= 1;
    this.#memory.inFlight -= 1;
    const { weight, cost } = operation;
    this.#bytes -= weight;
    operation.weight = 0;
    operation.cost = 0;
    if (operation.inbox !== undefined) this.#memory.inboxes.release(operation.inbox);
    operation.inbox = undefined;
    // A write whose payload did not come never had its turn.
    if (cost > 0) this.#flow.ended(cost);
  }

  /** After each request, whatever it is: one without data, or refused, has a place in memory and a reply too. */
  #bound(): void {
    this.#stalled =
      this.#bytes >= mostBytes || this.#requests >= mostRequests || this.#stream.queuedBytes >= mostQueuedBytes;
    if (this.#stalled) this.#stream.pause();
  }

  #answered(): void {
    if (this.#stalled) this.#resume();
    this.#finishIfIdle();
  }

  #resume(): void {
    if (!this.#stalled || this.#closed) return;
    const over =
      this.#bytes > mostBytes / 2 ||
      this.#requests > mostRequests / 2 ||
      this.#stream.queuedBytes > mostQueuedBytes / 2;
    if (over) return;
    this.#stalled = false;
    this.#stream.resume();
  }

  #finishIfIdle(): void {
    if (this.#ending && this.#requests === 0 && !this.#closed) this.#stream.end();
    if (this.#closed && this.#requests === 0) this.#tellEnd();
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#stream.destroy();
  }

  #gone(error: Error | undefined): void {
    this.#closed = true;
    this.#error ??= error;
    if (this.#held !== undefined) this.#memory.inboxes.release(this.#held.inbox);
    this.#held = undefined;
    this.#dropPayload();
    if (this.#requests === 0) this.#tellEnd();
  }

  /** A write whose payload is still to come is never answered. */
  #dropPayload(): void {
    const { operation } = this.#payload ?? {};
    this.#payload = undefined;
    if (operation !== undefined) this.#ended(operation);
  }

  #told = false;

  #tellEnd(): void {
    if (this.#told) return;
    this.#told = true;
    this.#onEnd(this.#error);
  }
}
