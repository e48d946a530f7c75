import { AshlarError, type Stream, type StreamPeer } from '@ashlar/core';

function ignore(): void {
  // The session did not ask to be told.
}

/** One end of a connection in memory. */
class PairedStream implements Stream {
  readonly peer: StreamPeer;
  onReadable: () => void = ignore;
  onDrain: () => void = ignore;
  onClose: (error?: Error) => void = ignore;
  other: PairedStream | undefined;
  readonly #arrived: Uint8Array[] = [];
  #ended = false;
  #closed = false;
  #paused = false;

  constructor(address: string) {
    this.peer = { address, port: 0 };
  }

  get queuedBytes(): number {
    return 0;
  }

  receive(into: Uint8Array, offset: number, length: number): number {
    const first = this.#arrived[0];
    if (first === undefined) {
      if (this.#closed) throw new AshlarError('closed', 'the connection is closed');
      return this.#ended ? -1 : 0;
    }
    const count = Math.min(length, first.length);
    into.set(first.subarray(0, count), offset);
    if (count === first.length) this.#arrived.shift();
    else this.#arrived[0] = first.subarray(count);
    return count;
  }

  send(bytes: Uint8Array, released?: () => void): void {
    if (!this.#closed) this.other?.arrive(Uint8Array.from(bytes));
    released?.();
  }

  flush(): void {
    // Nothing is held back.
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    queueMicrotask(() => this.#call());
  }

  end(): void {
    this.other?.finish();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.other?.destroy();
    queueMicrotask(() => this.onClose());
  }

  arrive(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#arrived.push(bytes);
    queueMicrotask(() => this.#call());
  }

  finish(): void {
    this.#ended = true;
    queueMicrotask(() => this.#call());
  }

  #call(): void {
    if (!this.#paused && !this.#closed) this.onReadable();
  }
}

/** Two connected streams in memory, for tests of sessions. */
export function streamPair(): [Stream, Stream] {
  const left = new PairedStream('left');
  const right = new PairedStream('right');
  left.other = right;
  right.other = left;
  return [left, right];
}
