import { assert, type Stream } from '@ashlar/core';
import { node } from 'koffi';
import { closeDescriptor } from '../ffi/descriptor.ts';
import { epollEvent, EpollSet } from '../ffi/epoll.ts';
import { isDirectBusy, reapDirect } from '../real/direct-queue.ts';
import { pendingSoon } from '../real/seams.ts';
import { findLibuvBackend } from './libuv-backend.ts';
import { PlainStream, type AcceptedSocket, type StreamLoop } from './plain-stream.ts';
import { BlockPool } from './send-queue.ts';

export type EventLoopOptions = {
  /** Bytes that may wait for a peer that does not read; above, its connection is ended. */
  readonly queueLimitBytes?: number;
  /**
   * How many operations wait for a promise: what it leads to runs only in a turn of libuv, which follows the round that began one.
   * Where it stays (all was answered at once, or only bytes came in) the thread goes from round to round.
   */
  readonly activity?: () => number;
};

const defaultQueueLimitBytes = 256 * 1024 * 1024;

/** Connections told ready by one wait; the others come with the next. */
const eventsEachRound = 64;

/** How long rounds follow each other before libuv has its turn. */
const turnMs = 1;

/**
 * How long after an event the loop asks again and again before it sleeps. A client with one request in flight sends the
 * next some 20 µs after its reply; to sleep and to be woken would cost as much again.
 */
const spinMs = 0.1;

/** The same while the disk has a direct transfer, of which a good one ends within this time. */
const diskSpinMs = 0.25;

/** How long the thread sleeps in its own wait at most: timers are late by no more. */
const waitMs = 1;

/** How long after the last event the loop still waits itself; then libuv waits for it. */
const activeMs = 5;

/** How often libuv's own epoll descriptor is looked for: some systems do not show it. */
const mostSeeks = 3;

/** The tag of libuv's own epoll descriptor in the set. */
const libuvTag = 0;

/**
 * The loop of a thread that serves connections: an epoll set of its own, asked and waited on by direct calls while
 * there is work, in turns with libuv; watched by libuv, at no cost, while there is none.
 *
 * A round: the connections that have something are called, then the hooks, then each connection's replies leave in one
 * call. Fair: a connection takes at most 1 MiB a round.
 */
export class EventLoop {
  readonly #set = new EpollSet(eventsEachRound);
  /** By tag. The first is libuv. */
  readonly #streams: (PlainStream | undefined)[] = [undefined];
  readonly #freeTags: number[] = [];
  /** The events each watched stream waits for, by tag; undefined: not in the set. */
  readonly #watched: (number | undefined)[] = [undefined];
  #attended: PlainStream[] = [];
  readonly #hooks = new Set<() => void>();
  readonly #activity: (() => number) | undefined;
  /** Sessions are being called: what they send leaves at the end of the round. */
  #inRound = false;
  /** Something waits for a turn of libuv: its own events, or what promises lead to. */
  #needsTurn = false;
  #flushQueued = false;
  readonly #poll: node.PollHandle;
  readonly #streamLoop: StreamLoop;
  #libuv: number | undefined;
  #seeksLeft = mostSeeks;
  #state: 'idle' | 'active' | 'closed' = 'idle';
  #connections = 0;
  #held = 0;
  #lastEventMs = 0;
  #discardMemory: Uint8Array | undefined;

  constructor({ queueLimitBytes = defaultQueueLimitBytes, activity }: EventLoopOptions = {}) {
    this.#activity = activity;
    this.#streamLoop = {
      blocks: new BlockPool(),
      queueLimitBytes,
      discardMemory: () => (this.#discardMemory ??= new Uint8Array(64 * 1024)),
      attend: (stream) => this.#attend(stream),
      watch: (stream, events) => this.#watch(stream, events),
      forget: (stream) => this.#forget(stream),
    };
    this.#poll = node.poll(this.#set.descriptor, { readable: true }, this.#wakeUp);
    this.#poll.unref();
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#connections;
  }

  /** Serves the socket from now on. Its session sets the callbacks before this turn ends. */
  adopt(socket: AcceptedSocket): Stream {
    assert(this.#state !== 'closed', 'the loop is open');
    const tag = this.#freeTags.pop() ?? this.#streams.length;
    const stream = new PlainStream(this.#streamLoop, tag, socket);
    this.#streams[tag] = stream;
    this.#watched[tag] = undefined;
    this.#connections += 1;
    if (this.#connections === 1) this.#poll.ref();
    this.#watch(stream, epollEvent.readable);
    this.#attend(stream);
    return stream;
  }

  /**
   * What the session of this stream does has been done when its callbacks return, or is counted by `activity`: no turn of libuv
   * is needed for it.
   */
  count(stream: Stream): void {
    if (stream instanceof PlainStream) stream.isCounted = true;
  }

  /** Calls `hook` at the end of each round before its replies leave; gives what ends that. */
  onRound(hook: () => void): () => void {
    this.#hooks.add(hook);
    return () => void this.#hooks.delete(hook);
  }

  /** Something is in flight that is not on a connection: what it leads to may come at any turn. */
  hold(): void {
    this.#held += 1;
  }

  release(): void {
    assert(this.#held > 0, 'a release belongs to a hold');
    this.#held -= 1;
  }

  inFlight(): number {
    return this.#held;
  }

  /** Makes a round come soon, for work that did not come from a connection. */
  wake(): void {
    if (this.#state === 'idle') this.#activate();
  }

  /** Ends all connections at once. */
  close(): void {
    if (this.#state === 'closed') return;
    for (const stream of this.#streams) stream?.destroy();
    this.#finishStreams();
    if (this.#libuv !== undefined && this.#state === 'active') this.#set.remove(this.#libuv);
    this.#state = 'closed';
    this.#poll.close();
    closeDescriptor(this.#set.descriptor);
  }

  #attend(stream: PlainStream): void {
    if (stream.attended) return;
    stream.attended = true;
    this.#attended.push(stream);
    this.wake();
    // A reply that a promise led to leaves behind all that the same promise leads to, not a turn later.
    if (this.#inRound || this.#flushQueued) return;
    this.#flushQueued = true;
    queueMicrotask(this.#flushSoon);
  }

  #watch(stream: PlainStream, events: number | undefined): void {
    const before = this.#watched[stream.tag];
    if (before === events) return;
    this.#watched[stream.tag] = events;
    const { descriptor, tag } = stream;
    let result: number;
    if (events === undefined) result = this.#set.remove(descriptor);
    else if (before === undefined) result = this.#set.add(descriptor, tag, events);
    else result = this.#set.change(descriptor, tag, events);
    assert(result === 0, `epoll_ctl gave ${result}`);
  }

  #forget(stream: PlainStream): void {
    this.#watch(stream, undefined);
    this.#streams[stream.tag] = undefined;
    this.#freeTags.push(stream.tag);
    this.#connections -= 1;
    if (this.#connections === 0) this.#poll.unref();
  }

  /** libuv says that a connection has something. */
  readonly #wakeUp = (): void => {
    if (this.#state === 'idle') this.#activate();
  };

  #activate(): void {
    this.#state = 'active';
    // libuv shows what it watches from its first turn behind that on: a loop that is new is not found yet.
    if (this.#libuv === undefined && this.#seeksLeft > 0) {
      this.#seeksLeft -= 1;
      this.#libuv = findLibuvBackend(this.#set.descriptor);
    }
    // Two sets that watch each other are refused, so libuv stops before it is watched.
    this.#poll.stop();
    if (this.#libuv !== undefined && this.#set.add(this.#libuv, libuvTag, epollEvent.readable) < 0) {
      this.#libuv = undefined;
    }
    this.#lastEventMs = performance.now();
    setImmediate(this.#turn);
  }

  #rest(): void {
    this.#state = 'idle';
    if (this.#libuv !== undefined) this.#set.remove(this.#libuv);
    this.#poll.start({ readable: true }, this.#wakeUp);
  }

  /** One turn: rounds until something waits for libuv, nothing comes, or the time is over. */
  readonly #turn = (): void => {
    if (this.#state !== 'active') return;
    let worked = this.#round(0);
    for (const endMs = performance.now() + turnMs; this.#mayGoOn();) {
      if (!this.#spin() && !this.#round(waitMs)) break;
      worked = true;
      if (performance.now() > endMs) break;
    }
    if (worked || this.#attended.length > 0 || performance.now() - this.#lastEventMs < activeMs) {
      setImmediate(this.#turn);
    } else this.#rest();
  };

  /** Rounds that do not wait, until one found something. */
  #spin(): boolean {
    while (performance.now() - this.#lastEventMs < (isDirectBusy() ? diskSpinMs : spinMs)) {
      if (this.#round(0)) return true;
      if (this.#needsTurn) return false;
    }
    return false;
  }

  #mayGoOn(): boolean {
    if (this.#needsTurn || this.#attended.length > 0 || pendingSoon() > 0) return false;
    return this.#libuv !== undefined || (this.#held === 0 && (this.#activity?.() ?? 0) === 0);
  }

  /** Whether a connection had something, or a direct transfer ended. */
  #round(timeoutMs: number): boolean {
    const before = this.#activity?.();
    const count = this.#set.wait(timeoutMs);
    let worked = reapDirect();
    this.#needsTurn = worked;
    this.#inRound = true;
    for (let index = 0; index < count; index++) {
      const tag = this.#set.tagAt(index);
      const stream = this.#streams[tag];
      if (stream !== undefined) {
        worked = true;
        stream.handle(this.#set.eventsAt(index));
        if (!stream.isCounted) this.#needsTurn = true;
      } else if (tag === libuvTag) this.#needsTurn = true;
    }
    for (const hook of this.#hooks) hook();
    if (this.#attended.length > 0) this.#finishStreams();
    this.#inRound = false;
    if (before === undefined || this.#activity?.() !== before) this.#needsTurn = true;
    if (worked) this.#lastEventMs = performance.now();
    return worked;
  }

  readonly #flushSoon = (): void => {
    this.#flushQueued = false;
    if (this.#state !== 'closed') this.#finishStreams();
  };

  #finishStreams(): void {
    const attended = this.#attended;
    this.#attended = [];
    for (const stream of attended) {
      stream.attended = false;
      stream.finishRound();
    }
  }
}
