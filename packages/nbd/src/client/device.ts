import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import {
  AshlarError,
  mergeExtents,
  type BlockCapabilities,
  type BlockDevice,
  type BlockSizes,
  type Extent,
  type Stream,
  type ZeroMode,
} from '@ashlar/core';
import { connectTls, DuplexStream, type TlsClientSettings } from '@ashlar/wire';
import { command, commandFlag, transmissionFlag } from '../codec/constants.ts';
import { Connection, type Request } from './connection.ts';
import { ClientHandshake, type ServerFacts, type Wishes } from './negotiate.ts';
import { parseNbdUri, type NbdUri } from './uri.ts';

export type NbdClientOptions = Wishes & {
  /** Connections to spread requests over; more than one only where the server says that it is safe. */
  readonly connections?: number;
  readonly tls?: TlsClientSettings;
  /** How long a lost connection is tried again before requests fail; 0: at once. */
  readonly reconnectMs?: number;
};

/** Requests in flight on all connections; more wait. */
const mostInFlight = 256;
const retryMs = 50;
const mostRead = 32 * 1024 * 1024;
/** Where a server has only compact requests. */
const mostCompact = 2 ** 32 - 65536;

/**
 * An export of an NBD server as a block device. A connection that is lost is made again and what was unanswered is sent
 * again: every request of the protocol may be repeated.
 */
class NbdDevice implements BlockDevice {
  readonly blockSizes: BlockSizes;
  readonly capabilities: BlockCapabilities;
  readonly readOnly: boolean;
  #sizeBytes: number;
  readonly #uri: NbdUri;
  readonly #options: NbdClientOptions;
  readonly #connections: (Connection | undefined)[] = [];
  readonly #waiting: Request[] = [];
  #inFlight = 0;
  #closed = false;
  /** No connection is left and nobody tries to make one any more. */
  #lostForGood: AshlarError | undefined;
  #idle: (() => void) | undefined;

  constructor(uri: NbdUri, options: NbdClientOptions, facts: ServerFacts) {
    this.#uri = uri;
    this.#options = options;
    this.#sizeBytes = facts.sizeBytes;
    this.readOnly = (facts.flags & transmissionFlag.readOnly) !== 0;
    this.blockSizes = { minimum: 1, preferred: 4096, maximum: mostRead, atomic: 512, ...facts.blockSizes };
    this.capabilities = capabilitiesFrom(facts);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  adopt(index: number, stream: Stream, facts: ServerFacts): void {
    this.#connections[index] = new Connection(stream, facts, (unanswered) => this.#lost(index, unanswered));
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    this.#check('read', offset, into.length);
    return this.#ask({ type: command.read, flags: 0, offset, length: into.length, into }, 'none');
  }

  write(offset: number, from: Uint8Array, durable: boolean): Promise<void> {
    this.#checkWrite('write', offset, from.length);
    const payload = this.#isExtended ? commandFlag.payloadLength : 0;
    return this.#ask(
      { type: command.write, flags: payload, offset, length: from.length, from },
      durable ? 'fua' : 'none',
    );
  }

  async trim(offset: number, length: number, durable: boolean): Promise<void> {
    this.#checkWrite('trim', offset, length);
    if (this.capabilities.trim === 'none') throw unsupported('trim');
    await this.#ranges(command.trim, 0, offset, length, durable);
  }

  async zero(offset: number, length: number, mode: ZeroMode, durable: boolean): Promise<void> {
    this.#checkWrite('zero', offset, length);
    if (this.capabilities.zero === 'none') throw unsupported('zero');
    await this.#ranges(command.writeZeroes, mode === 'may-trim' ? 0 : commandFlag.noHole, offset, length, durable);
  }

  async flush(): Promise<void> {
    if (this.#closed) throw closedError();
    if (this.capabilities.flush === 'none') return;
    await this.#ask({ type: command.flush, flags: 0, offset: 0, length: 0 }, 'none');
  }

  async extents(offset: number, length: number, limit: number): Promise<readonly Extent[]> {
    this.#check('extents', offset, length);
    const found: Extent[] = [];
    if (this.capabilities.extents === 'none') return length === 0 ? [] : [{ offset, length, state: 'data' }];
    for (let at = offset; at < offset + length && mergeExtents(found).length <= limit;) {
      const part = Math.min(offset + length - at, this.#isExtended ? Number.MAX_SAFE_INTEGER : mostCompact);
      const extents = await this.#status(at, part);
      for (const extent of extents) {
        const end = Math.min(extent.offset + extent.length, offset + length);
        if (end > at) found.push({ offset: at, length: end - at, state: extent.state });
        at = Math.max(at, end);
      }
      if (extents.length === 0) throw new AshlarError('io', 'the server told no state of the range it was asked for');
    }
    return mergeExtents(found).slice(0, limit);
  }

  async prefetch(offset: number, length: number): Promise<void> {
    this.#check('prefetch', offset, length);
    if (this.capabilities.prefetch === 'none' || length === 0) return;
    await this.#ranges(command.cache, 0, offset, length, false);
  }

  compareAndWrite(): never {
    throw unsupported('compareAndWrite');
  }

  copyFrom(): never {
    throw unsupported('copyFrom');
  }

  /** Nothing may be in flight that lies between the two sizes. */
  async resize(sizeBytes: number): Promise<void> {
    if (this.#closed) throw closedError();
    if (this.capabilities.resize === 'none') throw unsupported('resize');
    await this.#ask({ type: command.resize, flags: 0, offset: sizeBytes, length: 0 }, 'none');
    this.#sizeBytes = sizeBytes;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    for (const connection of this.#connections) connection?.disconnect();
  }

  get #isExtended(): boolean {
    return this.#connections.find((connection) => connection !== undefined)?.facts.replies === 'extended';
  }

  async #status(offset: number, length: number): Promise<readonly Extent[]> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const request: Request = { type: command.blockStatus, flags: 0, offset, length, resolve, reject, got: 0 };
    this.#submit(request);
    await promise;
    return request.extents ?? [];
  }

  /** A range of any length in requests that a server takes. */
  async #ranges(type: number, flags: number, offset: number, length: number, durable: boolean): Promise<void> {
    const most = this.#isExtended ? Number.MAX_SAFE_INTEGER : mostCompact;
    for (let at = 0; at < length; at += most) {
      const part = Math.min(most, length - at);
      await this.#ask({ type, flags, offset: offset + at, length: part }, durable ? 'fua' : 'none');
    }
  }

  async #ask(
    request: Pick<Request, 'type' | 'flags' | 'offset' | 'length'> & { from?: Uint8Array; into?: Uint8Array },
    durable: 'fua' | 'none',
  ): Promise<void> {
    if (request.length === 0 && request.type !== command.flush && request.type !== command.resize) return;
    const fua = durable === 'fua' && this.capabilities.durable === 'native';
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#submit({ ...request, flags: request.flags | (fua ? commandFlag.fua : 0), resolve, reject, got: 0 });
    await promise;
    if (durable === 'fua' && !fua) await this.flush();
  }

  #submit(request: Request): void {
    this.#inFlight += 1;
    const settled = (): void => {
      this.#inFlight -= 1;
      const next = this.#waiting.shift();
      if (next !== undefined) this.#send(next);
      if (this.#inFlight === 0) this.#idle?.();
    };
    const { resolve, reject } = request;
    const tracked: Request = Object.assign(request, {
      resolve: () => {
        settled();
        resolve();
      },
      reject: (error: unknown) => {
        settled();
        reject(error);
      },
    });
    if (this.#inFlight > mostInFlight) this.#waiting.push(tracked);
    else this.#send(tracked);
  }

  #send(request: Request): void {
    let best: Connection | undefined;
    for (const connection of this.#connections) {
      if (connection !== undefined && (best === undefined || connection.inFlight < best.inFlight)) best = connection;
    }
    if (best !== undefined) best.send(request);
    else if (this.#lostForGood !== undefined) request.reject(this.#lostForGood);
    else this.#waiting.unshift(request);
  }

  #lost(index: number, unanswered: readonly Request[]): void {
    this.#connections[index] = undefined;
    if (this.#closed && unanswered.length === 0) return;
    for (const request of unanswered) request.got = 0;
    void this.#reconnect(index, unanswered);
  }

  async #reconnect(index: number, unanswered: readonly Request[]): Promise<void> {
    const untilMs = performance.now() + (this.#options.reconnectMs ?? 30_000);
    let last: unknown = closedError();
    while (performance.now() < untilMs) {
      try {
        const { stream, facts } = await open(this.#uri, this.#options);
        this.adopt(index, stream, facts);
        for (const request of [...unanswered, ...this.#waiting.splice(0)]) this.#send(request);
        return;
      } catch (error) {
        last = error;
        await delay(retryMs);
      }
    }
    const error = new AshlarError('closed', 'the connection to the server is lost', {}, last);
    const others = this.#connections.some((connection) => connection !== undefined);
    if (!others) this.#lostForGood = error;
    for (const request of others ? [] : [...unanswered, ...this.#waiting.splice(0)]) request.reject(error);
    if (others) for (const request of unanswered) this.#send(request);
  }

  #check(operation: string, offset: number, length: number): void {
    if (this.#closed) throw closedError();
    const { minimum } = this.blockSizes;
    if (!(offset >= 0 && length >= 0 && offset + length <= this.sizeBytes)) {
      throw new AshlarError('out-of-range', `${operation} of ${length} bytes at ${offset} is outside the device`, {
        offset,
        length,
        operation,
      });
    }
    if (offset % minimum !== 0 || length % minimum !== 0) {
      throw new AshlarError('invalid', `${operation} is not of whole blocks of ${minimum} bytes`, {
        offset,
        length,
        operation,
      });
    }
  }

  #checkWrite(operation: string, offset: number, length: number): void {
    this.#check(operation, offset, length);
    if (this.readOnly) throw new AshlarError('read-only', 'the export is read-only', { operation });
  }
}

function closedError(): AshlarError {
  return new AshlarError('closed', 'the device is closed');
}

function unsupported(operation: string): AshlarError {
  return new AshlarError('unsupported', `the server offers no ${operation}`, { operation });
}

function capabilitiesFrom({ flags, allocation }: ServerFacts): BlockCapabilities {
  const has = (flag: number): 'native' | 'none' => ((flags & flag) === 0 ? 'none' : 'native');
  return {
    flush: has(transmissionFlag.sendFlush),
    durable: has(transmissionFlag.sendFua) === 'native' ? 'native' : 'emulated',
    trim: has(transmissionFlag.sendTrim),
    zero: has(transmissionFlag.sendWriteZeroes),
    fastZero: has(transmissionFlag.sendFastZero),
    extents: allocation === undefined ? 'none' : 'native',
    prefetch: has(transmissionFlag.sendCache),
    compareAndWrite: 'none',
    copyFrom: 'none',
    resize: has(transmissionFlag.sendResize),
    multiConnection: has(transmissionFlag.canMultiConn),
  };
}

async function dial({ at }: NbdUri): Promise<Socket> {
  const socket = 'path' in at ? connect(at.path) : connect(at.port, at.host);
  try {
    await once(socket, 'connect');
  } catch (error) {
    socket.destroy();
    const place = 'path' in at ? at.path : `${at.host}:${at.port}`;
    throw new AshlarError('closed', `no NBD server answers at ${place}`, { peer: place }, error);
  }
  return socket.setNoDelay();
}

/** A connection up to its handshake: the stream, inside TLS where it is wanted. */
async function shake(uri: NbdUri, options: NbdClientOptions): Promise<{ stream: Stream; handshake: ClientHandshake }> {
  const socket = await dial(uri);
  const peer = { address: 'path' in uri.at ? 'unix' : uri.at.host, port: 0 };
  try {
    const plain = new DuplexStream(socket, peer);
    const handshake = new ClientHandshake(plain);
    await handshake.greet();
    if (!uri.tls) return { stream: plain, handshake };
    await handshake.startTls();
    const stream = await connectTls(plain.release(), peer, options.tls ?? {});
    return { stream, handshake: new ClientHandshake(stream) };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function open(uri: NbdUri, options: NbdClientOptions): Promise<{ stream: Stream; facts: ServerFacts }> {
  const { stream, handshake } = await shake(uri, options);
  try {
    return { stream, facts: await handshake.go(uri.exportName, options) };
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

/** Attaches an export. Fails with `closed` (nobody there), `not-found`, `denied`, `unsupported`, `invalid`. */
export async function openNbd(uri: string, options: NbdClientOptions = {}): Promise<BlockDevice> {
  const parsed = parseNbdUri(uri);
  const first = await open(parsed, options);
  const device = new NbdDevice(parsed, options, first.facts);
  device.adopt(0, first.stream, first.facts);
  const several = (first.facts.flags & transmissionFlag.canMultiConn) !== 0 ? (options.connections ?? 1) : 1;
  for (let index = 1; index < several; index += 1) {
    const { stream, facts } = await open(parsed, options);
    device.adopt(index, stream, facts);
  }
  return device;
}

/** The names of a server's exports. */
export async function listNbd(uri: string, options: Pick<NbdClientOptions, 'tls'> = {}): Promise<string[]> {
  const { stream, handshake } = await shake(parseNbdUri(uri), options);
  try {
    return await handshake.list();
  } finally {
    stream.end();
  }
}
