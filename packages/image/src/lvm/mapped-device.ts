import { checkLimit, OpenDevice, unsupportedError } from '@ashlar/block';
import {
  allDone,
  assert,
  isPromise,
  type BlockCapabilities,
  type BlockDevice,
  type BlockSizes,
  type Capability,
  type Extent,
  type Settled,
  type ZeroMode,
} from '@ashlar/core';
import { joinedExtents } from './joined-extents.ts';
import { piecesOf, runsOfLanes, type Part } from './parts.ts';

/** Pieces that are asked for their extents at once: what lies behind them is left for the next time. */
const mostExtentPieces = 4096;

const order: readonly Capability[] = ['none', 'emulated', 'native'];

/** What all can do. */
function common(devices: readonly BlockDevice[], name: keyof BlockCapabilities): Capability {
  return order[Math.min(...devices.map(({ capabilities }) => order.indexOf(capabilities[name])))] ?? 'none';
}

function sizesOf(devices: readonly BlockDevice[]): BlockSizes {
  const all = devices.map(({ blockSizes }) => blockSizes);
  return {
    minimum: Math.max(...all.map(({ minimum }) => minimum)),
    preferred: Math.max(...all.map(({ preferred }) => preferred)),
    maximum: Math.min(...all.map(({ maximum }) => maximum)),
    atomic: Math.min(...all.map(({ atomic }) => atomic)),
  };
}

/** Parts of other devices as one device: one behind the other, or in turn. It owns none of them. */
export class MappedDevice extends OpenDevice implements BlockDevice {
  readonly sizeBytes: number;
  readonly blockSizes: BlockSizes;
  readonly capabilities: BlockCapabilities;
  readonly readOnly: boolean;
  readonly #parts: readonly Part[];
  readonly #devices: readonly BlockDevice[];
  readonly #ended: () => Settled<void>;

  /** `parts`: in their order, without gaps. `ended`: when it is closed and nothing is in flight. */
  constructor(parts: readonly Part[], ended: () => Settled<void>) {
    super();
    const last = parts.at(-1);
    assert(last !== undefined, 'a device has a part');
    this.#parts = parts;
    this.#devices = [...new Set(parts.flatMap(({ lanes }) => lanes.map(({ device }) => device)))];
    this.#ended = ended;
    this.sizeBytes = last.offset + last.length;
    this.blockSizes = sizesOf(this.#devices);
    this.readOnly = this.#devices.some(({ readOnly }) => readOnly);
    const all = (name: keyof BlockCapabilities): Capability => common(this.#devices, name);
    this.capabilities = {
      flush: all('flush'),
      durable: all('durable'),
      trim: all('trim'),
      zero: all('zero'),
      fastZero: all('fastZero'),
      extents: all('extents'),
      prefetch: all('prefetch'),
      compareAndWrite: 'none',
      copyFrom: 'none',
      resize: 'none',
      multiConnection: all('multiConnection'),
    };
  }

  read(offset: number, into: Uint8Array): Settled<void> {
    this.check('read', offset, into.length);
    return this.#each(piecesOf(this.#parts, offset, into.length), ({ at, device, from, length }) =>
      device.read(at, into.subarray(from, from + length)),
    );
  }

  write(offset: number, bytes: Uint8Array, durable: boolean): Settled<void> {
    this.check('write', offset, bytes.length);
    return this.#each(piecesOf(this.#parts, offset, bytes.length), ({ at, device, from, length }) =>
      device.write(at, bytes.subarray(from, from + length), durable),
    );
  }

  trim(offset: number, length: number, durable: boolean): Settled<void> {
    this.check('trim', offset, length);
    return this.#each(runsOfLanes(this.#parts, offset, length), ({ at, device, length: count }) =>
      device.trim(at, count, durable),
    );
  }

  zero(offset: number, length: number, mode: ZeroMode, durable: boolean): Settled<void> {
    this.check('zero', offset, length);
    return this.#each(runsOfLanes(this.#parts, offset, length), ({ at, device, length: count }) =>
      device.zero(at, count, mode, durable),
    );
  }

  flush(): Settled<void> {
    this.checkOpen('flush');
    return this.#each(this.#devices, (device) => device.flush());
  }

  extents(offset: number, length: number, limit: number): Settled<readonly Extent[]> {
    this.check('extents', offset, length);
    checkLimit(limit);
    return length === 0 ? [] : this.inFlight.track(this.#extents(offset, length, limit));
  }

  async #extents(offset: number, length: number, limit: number): Promise<readonly Extent[]> {
    const pieces = piecesOf(this.#parts, offset, length)
      .take(mostExtentPieces)
      .map(({ from, ...piece }) => ({ ...piece, offset: offset + from }));
    return await joinedExtents(pieces, limit);
  }

  prefetch(offset: number, length: number): Settled<void> {
    this.check('prefetch', offset, length);
    return this.#each(runsOfLanes(this.#parts, offset, length), ({ at, device, length: count }) =>
      device.prefetch(at, count),
    );
  }

  compareAndWrite(): void {
    throw unsupportedError('compareAndWrite');
  }

  copyFrom(): void {
    throw unsupportedError('copyFrom');
  }

  resize(): void {
    this.checkOpen('resize');
    throw unsupportedError('resize of a logical volume that is open');
  }

  close(): Settled<void> {
    return this.end(this.#ended);
  }

  /** Settles when all have: at once where they do. */
  #each<T>(pieces: Iterable<T>, run: (piece: T) => Settled<void>): Settled<void> {
    const waiting: Promise<void>[] = [];
    for (const piece of pieces) {
      const result = attempt(() => run(piece));
      if (isPromise(result)) waiting.push(result);
    }
    const [only] = waiting;
    if (only === undefined) return;
    return this.inFlight.track(waiting.length === 1 ? only : allDone(waiting));
  }
}

/** What is thrown at once is told with the others, so that none of them still uses what its caller owns. */
function attempt(run: () => Settled<void>): Settled<void> {
  try {
    return run();
  } catch (error) {
    return Promise.reject(error);
  }
}
