import { AshlarError, type Stream } from '@ashlar/core';

/**
 * Takes exact counts of bytes from a stream, one call after the other: for handshakes, where a promise a message costs
 * nothing that matters. It never takes a byte more than it was asked for, so the stream can go to another owner.
 */
export class StreamReader {
  readonly #stream: Stream;
  #wake: (() => void) | undefined;
  #closed: Error | undefined;

  constructor(stream: Stream) {
    this.#stream = stream;
    stream.onReadable = () => this.#wake?.();
    stream.onClose = (error) => {
      this.#closed = error ?? new AshlarError('closed', 'the connection was closed');
      this.#wake?.();
    };
  }

  /** Fails with `closed` when the stream ends before `length` bytes came. */
  async read(length: number): Promise<Uint8Array> {
    const into = new Uint8Array(length);
    for (let at = 0; at < length;) {
      if (this.#closed !== undefined) throw this.#closed;
      const count = this.#stream.receive(into, at, length - at);
      if (count < 0) throw new AshlarError('closed', 'the peer ended the connection in the middle of a message');
      at += count;
      if (count === 0) await this.#readable();
    }
    return into;
  }

  /** Takes and forgets bytes without holding them. */
  async skip(length: number): Promise<void> {
    for (let rest = length; rest > 0;) {
      const part = Math.min(rest, 64 * 1024);
      await this.read(part);
      rest -= part;
    }
  }

  async #readable(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}
