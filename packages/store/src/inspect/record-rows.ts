import { AshlarError, type RecordStore } from '@ashlar/core';
import { unpack } from 'msgpackr';
import { keyNumber, opened } from '../records/keys.ts';

/** Records that one look at the database takes to memory. */
const rowsAtOnce = 256;

const kinds = {
  m: 'pool',
  c: 'scrub',
  l: 'commit',
  s: 'store',
  o: 'object',
  h: 'kept',
  n: 'snapshot',
  d: 'dead',
  b: 'slots',
  p: 'pages',
  r: 'record',
} as const;

type Kind = (typeof kinds)[keyof typeof kinds] | 'unknown';

/** One record of the database: what its key says, and its value where that is whole. */
export type RecordRow = {
  readonly kind: Kind;
  readonly key: Uint8Array;
  /** The numbers in the key: store, then object, then snapshot; of a dead map its own, of a bitmap its index. */
  readonly numbers: readonly number[];
  /** Behind the numbers of a `record`: the name that its store knows it by. */
  readonly name: Uint8Array;
  /** Nothing where the checksum over key and value does not fit. Packed ones are unpacked, bitmaps and `record`s are bytes. */
  readonly value: unknown;
};

/** All records of a pool's database, in the order of their keys: damaged ones as well. */
export function* recordRows(records: RecordStore): Generator<RecordRow> {
  for (const { key, bytes } of everything(records)) yield rowOf(key, bytes);
}

function* everything(records: RecordStore): Generator<{ readonly key: Uint8Array; readonly bytes: Uint8Array }> {
  const to = Buffer.alloc(1700, 0xff);
  for (let from: Uint8Array | undefined = new Uint8Array(1); from !== undefined;) {
    const found: { key: Uint8Array; bytes: Uint8Array }[] = [];
    records.scan(from, to, (key, bytes) => {
      found.push({ key: Uint8Array.from(key), bytes: Uint8Array.from(bytes) });
      return found.length < rowsAtOnce;
    });
    yield* found;
    const last = found.at(-1);
    from = last === undefined || found.length < rowsAtOnce ? undefined : Uint8Array.of(...last.key, 0);
  }
}

const numbersIn: Readonly<Record<Kind, number>> = {
  pool: 0,
  scrub: 0,
  commit: 0,
  store: 1,
  object: 2,
  kept: 3,
  snapshot: 2,
  dead: 1,
  slots: 1,
  pages: 1,
  record: 1,
  unknown: 0,
};

function rowOf(key: Uint8Array, bytes: Uint8Array): RecordRow {
  const letter = String.fromCharCode(key[0] ?? 0);
  const named: Kind = letter in kinds ? kinds[letter as keyof typeof kinds] : 'unknown';
  const end = 1 + numbersIn[named] * 8;
  const kind = key.length < end || (named !== 'record' && key.length > end) ? 'unknown' : named;
  const numbers = Array.from({ length: numbersIn[kind] }, (_, index) => keyNumber(key, index));
  return { kind, key, numbers, name: key.subarray(end), value: valueOf(kind, key, bytes) };
}

function valueOf(kind: Kind, key: Uint8Array, bytes: Uint8Array): unknown {
  try {
    const value = opened(key, bytes);
    return kind === 'slots' || kind === 'pages' || kind === 'record' || kind === 'unknown'
      ? value
      : unpack(value as Buffer);
  } catch (error) {
    if (error instanceof AshlarError && error.kind === 'corrupt') return undefined;
    throw error;
  }
}
