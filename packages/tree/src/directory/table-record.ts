import type { FileStat } from '@ashlar/host';
import type { FilePlace } from './handles.ts';

/** What the table keeps of a file: a number that only this file has, when it was born, and where it was found, the newest first. */
export type TableRecord = {
  readonly id: Uint8Array;
  readonly born: FileStat['born'];
  readonly places: readonly FilePlace[];
  /** Passes over the table, one behind the other, that found it nowhere. */
  readonly misses: number;
};

export const idBytes = 8;
const version = 1;
const headBytes = 1 + idBytes + 1 + 8 + 4;
/** Of names of one file that are remembered. */
const mostPlaces = 8;

/** Leaves out old ones where there are too many: at first those in directories that others are in, as one is enough to look through the directory. */
function bounded(places: readonly FilePlace[]): readonly FilePlace[] {
  const left = [...places];
  while (left.length > mostPlaces) {
    const spare = left.findLastIndex(({ directory }, at) =>
      left.some((each, other) => other < at && each.directory === directory),
    );
    left.splice(spare, 1);
  }
  return left;
}

/** Version u8, id, u8: whether its birth is known, and twice the misses; seconds i64, nanoseconds u32; of each place the directory's inode u64, the length of the name u8, the name. */
export function encodeRecord({ born, id, misses, places }: TableRecord): Uint8Array {
  const head = Buffer.alloc(headBytes);
  head[0] = version;
  head.set(id, 1);
  head[1 + idBytes] = misses * 2;
  if (born !== undefined) {
    head[1 + idBytes]! += 1;
    head.writeBigInt64BE(BigInt(born.seconds), 2 + idBytes);
    head.writeUInt32BE(born.nanoseconds, 10 + idBytes);
  }
  const parts = places.map(({ directory, name }) => {
    const part = Buffer.alloc(9 + name.length);
    part.writeBigUInt64BE(directory);
    part[8] = name.length;
    part.set(name, 9);
    return part;
  });
  return Buffer.concat([head, ...parts]);
}

/** Nothing for what is none. */
export function decodeRecord(value: Uint8Array): TableRecord | undefined {
  const bytes = Buffer.from(value);
  if (bytes.length < headBytes || bytes[0] !== version) return undefined;
  const [isKnown, misses] = [bytes[1 + idBytes]! % 2 === 1, bytes[1 + idBytes]! >> 1];
  const seconds = Number(bytes.readBigInt64BE(2 + idBytes));
  const born = isKnown ? { seconds, nanoseconds: bytes.readUInt32BE(10 + idBytes) } : undefined;
  const places: FilePlace[] = [];
  for (let at = headBytes; at < bytes.length;) {
    const end = at + 9 + (bytes[at + 8] ?? 0);
    if (end > bytes.length) return undefined;
    places.push({ directory: bytes.readBigUInt64BE(at), name: bytes.subarray(at + 9, end) });
    at = end;
  }
  return { id: bytes.subarray(1, 1 + idBytes), born, places, misses };
}

/** Found there, where it is looked for first. */
export const placedAt = (record: TableRecord, place: FilePlace): TableRecord => ({
  ...record,
  places: bounded([place, ...record.places.filter((each) => !isSamePlace(each, place))]),
  misses: 0,
});

/** To be looked for there as well, where it is nowhere else: it may be moved there. */
export const expectedAt = (record: TableRecord, place: FilePlace): TableRecord => ({
  ...record,
  places: [...bounded([place, ...record.places]).slice(1), place],
});

/** Whether it would be found there: by that name, or by another in the same directory. */
export const knowsDirectory = ({ places }: TableRecord, directory: bigint): boolean =>
  places.some((each) => each.directory === directory);

export const isSamePlace = (one: FilePlace, other: FilePlace): boolean =>
  one.directory === other.directory && Buffer.compare(one.name, other.name) === 0;

/** Whether a file is the one that the record is of, and not another that has its inode's number now. */
export function isOf({ born }: TableRecord, stat: FileStat): boolean {
  if (born === undefined || stat.born === undefined) return true;
  return born.seconds === stat.born.seconds && born.nanoseconds === stat.born.nanoseconds;
}
