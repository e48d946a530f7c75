import { assert, KiB, MiB } from '@ashlar/core';

/**
 * Room before a reply's payload for any head, so that both are sent as one piece. It is a whole page, so that payloads lie where
 * devices can reach them.
 */
export const headRoom = 4 * KiB;

/** One has room for a MiB of data with the head of a message before it. */
const classes = [4 * KiB, 16 * KiB, 64 * KiB, 256 * KiB, MiB, MiB + 64 * KiB, 4 * MiB, 32 * MiB];

/** Buffers are cut out of pieces of this size, or are one such piece or more each. */
const slabBytes = 2 * MiB;

/** The largest payload of a request. */
export const largestPayload = 32 * MiB;

/** Gives memory that starts at a multiple of 4 KiB. */
export type Allocate = (length: number) => Uint8Array;

/** Memory with `headRoom` bytes before `payload` bytes. */
export class PooledBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly sizeClass: number;

  constructor(bytes: Uint8Array, sizeClass: number) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.sizeClass = sizeClass;
  }

  payload(length: number): Uint8Array {
    return this.bytes.subarray(headRoom, headRoom + length);
  }
}

/** Buffers of few sizes that are used again and again; what lies idle is bounded. */
export class BufferPool {
  readonly #idle: PooledBuffer[][] = classes.map(() => []);
  readonly #allocate: Allocate;
  readonly #mostIdleBytes: number;
  #idleBytes = 0;

  constructor(allocate: Allocate, mostIdleBytes = 32 * MiB) {
    this.#allocate = allocate;
    this.#mostIdleBytes = mostIdleBytes;
  }

  take(length: number): PooledBuffer {
    const sizeClass = classes.findIndex((size) => size >= length);
    const idle = this.#idle[sizeClass];
    assert(idle !== undefined, 'a length is checked before memory is taken for it');
    if (idle.length === 0) this.#fill(idle, sizeClass);
    const buffer = idle.pop();
    assert(buffer !== undefined, 'memory was just cut up');
    this.#idleBytes -= buffer.bytes.length;
    return buffer;
  }

  give(buffer: PooledBuffer): void {
    if (this.#idleBytes + buffer.bytes.length > this.#mostIdleBytes) return;
    this.#idleBytes += buffer.bytes.length;
    this.#idle[buffer.sizeClass]?.push(buffer);
  }

  /** Lets go of what lies idle. */
  giveBack(): void {
    for (const idle of this.#idle) idle.length = 0;
    this.#idleBytes = 0;
  }

  #fill(idle: PooledBuffer[], sizeClass: number): void {
    const size = headRoom + (classes[sizeClass] ?? 0);
    const slab = this.#allocate(Math.max(slabBytes, size));
    const count = Math.floor(slab.length / size);
    for (let at = 0; at < count; at += 1) {
      idle.push(new PooledBuffer(slab.subarray(at * size, (at + 1) * size), sizeClass));
    }
    this.#idleBytes += count * size;
  }
}

/** Memory that requests are received into; small payloads are used where they lie, until `refs` is none again. */
export class Inbox {
  readonly bytes = new Uint8Array(256 * KiB);
  readonly view = new DataView(this.bytes.buffer);
  refs = 0;
}

/** Inboxes of all connections of a thread: one has it only while it has something to parse or to write. */
export class InboxPool {
  readonly #idle: Inbox[] = [];

  take(): Inbox {
    const inbox = this.#idle.pop() ?? new Inbox();
    inbox.refs = 1;
    return inbox;
  }

  release(inbox: Inbox): void {
    inbox.refs -= 1;
    assert(inbox.refs >= 0, 'an inbox is released as often as it was held');
    if (inbox.refs === 0 && this.#idle.length < 16) this.#idle.push(inbox);
  }
}

/** What the sessions of one thread share. */
export type SessionMemory = {
  readonly buffers: BufferPool;
  readonly inboxes: InboxPool;
  /** Requests of all of them that are not answered yet. */
  inFlight: number;
};

/** `allocate` brings memory that the devices below can reach without a copy, where they care. */
export function sessionMemory(allocate: Allocate = (length) => new Uint8Array(length)): SessionMemory {
  return { buffers: new BufferPool(allocate), inboxes: new InboxPool(), inFlight: 0 };
}
