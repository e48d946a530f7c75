import type { Duplex } from 'node:stream';
import { AshlarError, type Stream, type StreamPeer } from '@ashlar/core';

function ignore(): void {
  // The session did not ask to be told.
}

/** How long a peer that got everything may take to end its side too. */
const lingerMs = 2000;

/**
 * A Node stream (socket, TLS socket) as a Stream: for handshakes, TLS and clients. Sockets that carry much data are
 * served by the event loop of the host instead.
 */
export class DuplexStream implements Stream {
  readonly peer: StreamPeer;
  onReadable: () => void = ignore;
  onDrain: () => void = ignore;
  onClose: (error?: Error) => void = ignore;
  readonly #duplex: Duplex;
  #left: Uint8Array | undefined;
  #queued = 0;
  #ended = false;
  #paused = false;
  #closed = false;
  #error: Error | undefined;
  readonly #readable = (): void => this.#call();
  readonly #end = (): void => {
    this.#ended = true;
    this.#call();
  };
  readonly #fail = (error: Error): void => {
    this.#error = error;
  };
  readonly #close = (): void => {
    this.#closed = true;
    this.onClose(this.#error);
  };

  constructor(duplex: Duplex, peer: StreamPeer) {
    this.#duplex = duplex;
    this.peer = peer;
    duplex.on('readable', this.#readable).on('end', this.#end).on('error', this.#fail).on('close', this.#close);
  }

  get queuedBytes(): number {
    return this.#queued;
  }

  receive(into: Uint8Array, offset: number, length: number): number {
    if (this.#left === undefined) {
      const available = this.#duplex.readableLength;
      const chunk = available === 0 ? null : (this.#duplex.read(Math.min(length, available)) as Buffer | null);
      if (chunk === null) {
        // Asking for nothing lets the end be seen.
        if (available === 0 && !this.#ended) this.#duplex.read(0);
        if (this.#error !== undefined) throw new AshlarError('closed', 'the connection broke', {}, this.#error);
        return this.#ended || this.#closed ? -1 : 0;
      }
      this.#left = chunk;
    }
    const count = Math.min(length, this.#left.length);
    into.set(this.#left.subarray(0, count), offset);
    this.#left = count === this.#left.length ? undefined : this.#left.subarray(count);
    return count;
  }

  send(bytes: Uint8Array, released?: () => void): void {
    if (this.#closed || this.#duplex.destroyed || this.#duplex.writableEnded) {
      released?.();
      return;
    }
    // Without a `released` nobody waits for the bytes: they are copied.
    const chunk = released === undefined ? Uint8Array.from(bytes) : bytes;
    this.#queued += chunk.length;
    this.#duplex.write(chunk, () => {
      this.#queued -= chunk.length;
      released?.();
      if (this.#queued === 0 && !this.#closed) this.onDrain();
    });
  }

  flush(): void {
    // Node sends what is written by itself.
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    setImmediate(() => this.#call());
  }

  end(): void {
    // What still comes is read and forgotten: unread bytes would hide the peer's end, and the socket would stay.
    this.#duplex.off('readable', this.#readable);
    this.#duplex.end(() => {
      const linger = setTimeout(() => this.#duplex.destroy(), lingerMs).unref();
      this.#duplex.once('close', () => clearTimeout(linger));
    });
    this.#duplex.resume();
  }

  destroy(): void {
    this.#duplex.destroy();
  }

  /** Gives the Node stream back to whoever made it: nobody is called any more. */
  release(): Duplex {
    this.#duplex
      .off('readable', this.#readable)
      .off('end', this.#end)
      .off('error', this.#fail)
      .off('close', this.#close);
    if (this.#left !== undefined) this.#duplex.unshift(this.#left);
    return this.#duplex;
  }

  #call(): void {
    if (!this.#paused && !this.#closed) this.onReadable();
  }
}
