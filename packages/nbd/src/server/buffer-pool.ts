import { assert, KiB, MiB } from '@ashlar/core';

/** Room before a reply's payload for any head, so that both are sent as one piece. */
export const headRoom = 64;

const classes = [4 * KiB, 16 * KiB, 64 * KiB, 256 * KiB, MiB, 4 * MiB, 32 * MiB];

/** The largest payload of a request. */
export const largestPayload = 32 * MiB;

/** Memory with `headRoom` bytes before `payload` bytes. */
export class PooledBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly sizeClass: number;

  constructor(sizeClass: number) {
    this.bytes = new Uint8Array(headRoom + (classes[sizeClass] ?? 0));
    this.view = new DataView(this.bytes.buffer);
    this.sizeClass = sizeClass;
  }

  payload(length: number): Uint8Array {
    return this.bytes.subarray(headRoom, headRoom + length);
  }
}

/** Buffers of few sizes that are used again and again; what lies idle is bounded. */
export class BufferPool {
  readonly #idle: PooledBuffer[][] = classes.map(() => []);
  readonly #mostIdleBytes: number;
  #idleBytes = 0;

  constructor(mostIdleBytes = 32 * MiB) {
    this.#mostIdleBytes = mostIdleBytes;
  }

  take(length: number): PooledBuffer {
    const sizeClass = classes.findIndex((size) => size >= length);
    assert(sizeClass >= 0, 'a length is checked before memory is taken for it');
    const idle = this.#idle[sizeClass]?.pop();
    if (idle === undefined) return new PooledBuffer(sizeClass);
    this.#idleBytes -= idle.bytes.length;
    return idle;
  }

  give(buffer: PooledBuffer): void {
    if (this.#idleBytes + buffer.bytes.length > this.#mostIdleBytes) return;
    this.#idleBytes += buffer.bytes.length;
    this.#idle[buffer.sizeClass]?.push(buffer);
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

export function sessionMemory(): SessionMemory {
  return { buffers: new BufferPool(), inboxes: new InboxPool(), inFlight: 0 };
}
