import { AshlarError, assert, AssertionError, type Stream, type StreamPeer } from '@ashlar/core';
import { closeDescriptor } from '../ffi/descriptor.ts';
import { epollEvent } from '../ffi/epoll.ts';
import { errno } from '../ffi/errno.ts';
import { disableNagle, enlargeSendBuffer, receiveInto, shutDownSending } from '../ffi/socket.ts';
import { systemError } from '../real/errors.ts';
import { SendQueue, type BlockPool } from './send-queue.ts';

/** What a connection takes in one round before the others have their turn. */
const roundBytes = 1 << 20;

/** So much leaves at once and not at the end of the round: the peer takes it in while the rest is made. */
const eagerBytes = 256 * 1024;

/** How long a connection that ended well may take to say that it got everything. */
const lingerMs = 2000;

const discardBytes = 64 * 1024;

/** An accepted socket on its way to the loop that will serve it. */
export type AcceptedSocket = {
  /** The socket's descriptor; the loop owns it from `adopt` on. */
  readonly descriptor: number;
  /** Bytes that were read from it already. */
  readonly received: Uint8Array;
  readonly peer: StreamPeer;
};

/** What a stream needs of its loop. */
export type StreamLoop = {
  readonly blocks: BlockPool;
  /** Above this a connection that does not read is ended. */
  readonly queueLimitBytes: number;
  /** Memory for bytes that nobody wants. */
  discardMemory(): Uint8Array;
  /** The stream has something to send, or something to be told, at the end of this round or in one that comes soon. */
  attend(stream: PlainStream): void;
  /** Which events the stream waits for now: bits of `epollEvent`, or nothing at all, hang-ups included. */
  watch(stream: PlainStream, events: number | undefined): void;
  /** The stream is gone: its place is free. */
  forget(stream: PlainStream): void;
};

const peerLeft: ReadonlySet<number> = new Set([errno.EPIPE, errno.ECONNRESET, errno.ECONNABORTED, errno.ETIMEDOUT]);

function connectionError(number: number, operation: string, peer: StreamPeer): AshlarError {
  const context = { operation, peer: `${peer.address}:${peer.port}` };
  if (peerLeft.has(number)) return new AshlarError('closed', `${context.peer} broke the connection off`, context);
  return systemError(number, operation, context.peer, context);
}

function ignore(): void {
  // The session did not ask to be told.
}

/** A connected socket, read and written by the calls of its loop. */
export class PlainStream implements Stream {
  readonly peer: StreamPeer;
  readonly descriptor: number;
  /** The loop's number for it. */
  readonly tag: number;
  /** It stands in the loop's list of this round. */
  attended = false;
  /** Its session needs no turn of libuv but those that the loop is told of. */
  isCounted = false;
  onReadable: () => void = ignore;
  onDrain: () => void = ignore;
  onClose: (error?: Error) => void = ignore;
  readonly #loop: StreamLoop;
  readonly #queue: SendQueue;
  #received: Uint8Array | undefined;
  #state: 'open' | 'ending' | 'lingering' | 'closed' = 'open';
  #paused = false;
  /** The session is called in the next round although the socket may have nothing new. */
  #recall = false;
  /** The socket had no more when it was asked last, and no event came since. */
  #empty = false;
  #peerEnded = false;
  /** The socket took less than it was given: it tells when it takes more. */
  #blocked = false;
  #hungUp = false;
  #drained = false;
  #roundLeft = roundBytes;
  #error: Error | undefined;
  #lingerTimer: NodeJS.Timeout | undefined;

  constructor(loop: StreamLoop, tag: number, { descriptor, received, peer }: AcceptedSocket) {
    this.#loop = loop;
    this.tag = tag;
    this.descriptor = descriptor;
    this.peer = peer;
    this.#queue = new SendQueue(loop.blocks);
    this.#received = received.byteLength > 0 ? received : undefined;
    this.#recall = this.#received !== undefined;
    if (peer.address === 'unix') enlargeSendBuffer(descriptor);
    else disableNagle(descriptor);
  }

  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  receive(into: Uint8Array, offset: number, length: number): number {
    if (this.#state === 'closed') throw this.#error ?? new AshlarError('closed', 'the connection is closed');
    if (this.#received !== undefined) return this.#receiveKept(into, offset, length);
    if (this.#peerEnded) return -1;
    if (this.#empty || this.#roundLeft <= 0) return 0;
    const count = receiveInto(this.descriptor, into, offset, length);
    if (count > 0) {
      this.#roundLeft -= count;
      // Whatever comes from here on is a new event.
      this.#empty = count < length;
      return count;
    }
    if (count === 0) {
      this.#peerEnded = true;
      this.#updateWatch();
      return -1;
    }
    if (count === -errno.EAGAIN || count === -errno.EINTR) {
      this.#empty = true;
      return 0;
    }
    throw connectionError(-count, 'receive', this.peer);
  }

  #receiveKept(into: Uint8Array, offset: number, length: number): number {
    const kept = this.#received!;
    assert(offset + length <= into.byteLength, 'a receive lies in its buffer');
    const count = Math.min(length, kept.byteLength);
    into.set(kept.subarray(0, count), offset);
    this.#received = count === kept.byteLength ? undefined : kept.subarray(count);
    return count;
  }

  send(bytes: Uint8Array, released?: () => void): void {
    if (this.#state !== 'open') {
      released?.();
      return;
    }
    this.#queue.add(bytes, released);
    if (this.#queue.bytes > this.#loop.queueLimitBytes) {
      const message = `${this.peer.address} does not read: ${this.#queue.bytes} bytes wait for it`;
      this.#fail(new AshlarError('closed', message));
    } else {
      this.#loop.attend(this);
      if (this.#queue.bytes >= eagerBytes) this.flush();
    }
  }

  flush(): void {
    if (this.#blocked || this.#state === 'closed' || this.#state === 'lingering') return;
    if (this.#queue.bytes > 0) {
      const result = this.#queue.send(this.descriptor);
      if (result < 0 && result !== -errno.EAGAIN && result !== -errno.EINTR) {
        this.#fail(connectionError(-result, 'send', this.peer));
        return;
      }
      this.#drained = true;
      if (this.#queue.bytes > 0) {
        this.#blocked = true;
        this.#updateWatch();
      }
    }
    if (this.#state === 'ending' && this.#queue.bytes === 0) this.#linger();
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#updateWatch();
  }

  resume(): void {
    if (!this.#paused || this.#state !== 'open') return;
    this.#paused = false;
    this.#hungUp = false;
    this.#recall = true;
    this.#empty = false;
    this.#updateWatch();
    this.#loop.attend(this);
  }

  end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ending';
    this.#received = undefined;
    this.#updateWatch();
    this.flush();
  }

  destroy(): void {
    this.#close(undefined);
  }

  // What follows is for the loop.

  /** Events came: bits of `epollEvent`. Nothing is thrown but broken assertions. */
  handle(events: number): void {
    if (this.#state === 'closed') return;
    if ((events & epollEvent.writable) !== 0 && this.#blocked) {
      this.#blocked = false;
      this.flush();
      if (!this.#blocked) this.#updateWatch();
      this.#loop.attend(this);
    }
    const ended = (events & (epollEvent.hangUp | epollEvent.error)) !== 0;
    if ((events & epollEvent.readable) !== 0 || ended) this.#readable(ended);
  }

  #readable(ended: boolean): void {
    this.#empty = false;
    this.#roundLeft = roundBytes;
    if (this.#state === 'lingering' || this.#state === 'ending') this.#discard();
    else if (this.#paused || this.#peerEnded) {
      // Neither side sends any more: only what the session has not read yet can be left to do.
      if (ended && this.#peerEnded) this.#close(undefined);
      else if (ended) {
        this.#hungUp = true;
        this.#updateWatch();
      }
    } else this.#callSession();
  }

  #callSession(): void {
    if (this.#state !== 'open') return;
    try {
      this.onReadable();
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      this.#fail(error instanceof Error ? error : new AshlarError('io', String(error)));
    }
    if (this.#received === undefined) return;
    // No event of the socket tells of bytes that came with it.
    this.#recall = true;
    this.#loop.attend(this);
  }

  /** The end of a round: what waits is sent, and the session is told what it has to know. */
  finishRound(): void {
    if (this.#recall && !this.#paused) {
      this.#recall = false;
      this.#roundLeft = roundBytes;
      this.#callSession();
    }
    this.flush();
    if (this.#drained && this.#state === 'open') {
      this.#drained = false;
      if (this.#queue.bytes <= this.#loop.queueLimitBytes / 2) this.onDrain();
    }
    if (this.#state === 'closed') this.#tellClosed();
  }

  #tellClosed(): void {
    const { onClose } = this;
    this.onClose = ignore;
    this.onReadable = ignore;
    this.onDrain = ignore;
    onClose(this.#error);
  }

  #fail(error: Error): void {
    this.#close(error);
  }

  #close(error: Error | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#error = error;
    this.#received = undefined;
    clearTimeout(this.#lingerTimer);
    this.#loop.forget(this);
    closeDescriptor(this.descriptor);
    this.#queue.clear();
    this.#loop.attend(this);
  }

  /** Everything is sent: the peer is told, and closing waits until it ended too, or its last bytes would be lost to it. */
  #linger(): void {
    this.#state = 'lingering';
    shutDownSending(this.descriptor);
    if (this.#peerEnded) {
      this.#close(undefined);
      return;
    }
    this.#lingerTimer = setTimeout(() => this.#close(undefined), lingerMs).unref();
    this.#paused = false;
    this.#empty = false;
    this.#updateWatch();
  }

  #discard(): void {
    const memory = this.#loop.discardMemory();
    for (let rest = roundBytes; rest > 0; rest -= discardBytes) {
      const count = receiveInto(this.descriptor, memory, 0, memory.byteLength);
      if (count === 0 && this.#state === 'ending') {
        this.#peerEnded = true;
        this.#updateWatch();
        return;
      }
      if (count === -errno.EAGAIN || count === -errno.EINTR) return;
      if (count <= 0) {
        this.#close(undefined);
        return;
      }
    }
  }

  #updateWatch(): void {
    if (this.#state === 'closed') return;
    if (this.#hungUp) {
      this.#loop.watch(this, undefined);
      return;
    }
    const reading = !this.#peerEnded && (!this.#paused || this.#state !== 'open');
    this.#loop.watch(this, (reading ? epollEvent.readable : 0) | (this.#blocked ? epollEvent.writable : 0));
  }
}
