import { connect } from 'node:net';
import type { BlockDevice } from '@ashlar/core';
import fc from 'fast-check';
import { recordings } from './recordings.ts';

const atOnce = 16;

type Edit =
  | { readonly kind: 'flip'; readonly at: number; readonly mask: number }
  | { readonly kind: 'number'; readonly at: number; readonly value: bigint }
  | { readonly kind: 'cut'; readonly at: number }
  | { readonly kind: 'insert'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'repeat'; readonly at: number; readonly length: number };

const at = fc.double({ min: 0, max: 1, noNaN: true });

/** Values that lengths and offsets are most often got wrong with. */
const extremes = [0n, 1n, 2n ** 16n - 1n, 2n ** 25n, 2n ** 25n + 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n];

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at, mask: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ kind: fc.constant('number' as const), at, value: fc.constantFrom(...extremes, 2n ** 64n - 1n) }),
  fc.record({ kind: fc.constant('cut' as const), at }),
  fc.record({ kind: fc.constant('insert' as const), at, bytes: fc.uint8Array({ maxLength: 64 }) }),
  fc.record({ kind: fc.constant('repeat' as const), at, length: fc.integer({ min: 1, max: 200 }) }),
);

function edited(bytes: Buffer, change: Edit): Buffer {
  const place = Math.floor(change.at * bytes.length);
  switch (change.kind) {
    case 'flip': {
      const copy = Buffer.from(bytes);
      if (copy.length > 0) copy[Math.min(place, copy.length - 1)]! ^= change.mask;
      return copy;
    }
    case 'number': {
      const copy = Buffer.from(bytes);
      if (place + 8 <= copy.length) copy.writeBigUInt64BE(change.value, place);
      return copy;
    }
    case 'cut':
      return bytes.subarray(0, place);
    case 'insert':
      return Buffer.concat([bytes.subarray(0, place), change.bytes, bytes.subarray(place)]);
    default:
      return Buffer.concat([bytes.subarray(0, place + change.length), bytes.subarray(place)]);
  }
}

/** Sends the bytes, reads whatever comes, and settles when the server has closed the connection. */
export function play(path: string, bytes: Buffer, pieces: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const limit = setTimeout(() => reject(new Error('the server did not end the connection')), 20_000);
    socket.on('connect', () => {
      const step = Math.max(1, Math.ceil(bytes.length / pieces));
      for (let from = 0; from < bytes.length; from += step) socket.write(bytes.subarray(from, from + step));
      socket.end();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(limit);
      resolve();
    });
    socket.resume();
  });
}

/** Plays sessions to the server at a Unix socket; between them another client must find its 0x5a where they were. */
export async function fuzz(path: string, other: BlockDevice, runs: number): Promise<void> {
  const mutated = fc
    .tuple(fc.constantFrom(...recordings), fc.array(edit, { minLength: 1, maxLength: 6 }))
    .map(([pieces, edits]) => edits.reduce(edited, Buffer.concat(pieces)));
  const noise = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes));
  const one = fc.oneof({ weight: 9, arbitrary: mutated }, { weight: 1, arbitrary: noise });
  const group = fc.array(fc.tuple(one, fc.integer({ min: 1, max: 5 })), { minLength: atOnce, maxLength: atOnce });
  const into = new Uint8Array(4096);
  await fc.assert(
    fc.asyncProperty(group, async (clients) => {
      await Promise.all(clients.map(([bytes, pieces]) => play(path, bytes, pieces)));
      await other.read(0, into);
      return into.every((byte) => byte === 0x5a);
    }),
    { numRuns: Math.ceil(runs / atOnce) },
  );
}
