import { AshlarError } from '@ashlar/core';
import type { MapRun } from '@ashlar/image';

export const mapTitle = 'Offset          Length          Mapped to       File';

const hex = (value: number): string => (value === 0 ? '0' : `0x${value.toString(16)}`).padEnd(16);

/** A line for people, of what is data. Throws `unsupported` where that lies nowhere by itself: it is compressed. */
export function mapLine({ data, length, offset, path, start, zero }: MapRun): string | undefined {
  if (data && offset === undefined) {
    throw new AshlarError('unsupported', 'it has compressed clusters, which --output json shows');
  }
  return data && !zero ? `${hex(start)}${hex(length)}${hex(offset ?? 0)}${path ?? ''}` : undefined;
}

type JsonRun = Pick<MapRun, 'data' | 'depth' | 'length' | 'offset' | 'present' | 'start' | 'zero'>;

/** An object for programs, with qemu-img's keys, their order and its spaces. */
export function mapJson({ data, depth, length, offset, present, start, zero }: JsonRun): string {
  const place = offset === undefined ? '' : `, "offset": ${offset}`;
  return `{ "start": ${start}, "length": ${length}, "depth": ${depth}, "present": ${present}, "zero": ${zero}, "data": ${data}${place}}`;
}

/** What qemu-img has of no bytes at all, at an offset. */
export const nothingAt = (start: number): JsonRun => ({
  start,
  length: 0,
  depth: 0,
  present: false,
  zero: false,
  data: false,
  offset: undefined,
});
