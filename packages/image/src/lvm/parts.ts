import type { BlockDevice } from '@ashlar/core';

/** Where one stripe of a part begins. */
export type Lane = { readonly device: BlockDevice; readonly offset: number };

/** A run of bytes that lies on one lane, or on several in turn, `chunkBytes` on each. */
export type Part = {
  readonly offset: number;
  readonly length: number;
  readonly chunkBytes: number;
  readonly lanes: readonly Lane[];
};

/** Bytes at `at` of a device that are `from` bytes into what was asked for. */
export type Piece = {
  readonly device: BlockDevice;
  readonly at: number;
  readonly from: number;
  readonly length: number;
};

/** The parts that a range touches, with where in them it begins and ends. */
function* touched(parts: readonly Part[], offset: number, length: number) {
  const end = offset + length;
  for (const part of parts) {
    const begin = Math.max(offset, part.offset) - part.offset;
    const stop = Math.min(end, part.offset + part.length) - part.offset;
    if (begin < stop) yield { part, begin, stop };
  }
}

/** A range in the order of its bytes. */
export function* piecesOf(parts: readonly Part[], offset: number, length: number): Generator<Piece> {
  for (const { begin, part, stop } of touched(parts, offset, length)) {
    const { chunkBytes, lanes } = part;
    for (let at = begin; at < stop;) {
      const chunk = Math.floor(at / chunkBytes);
      const lane = lanes[chunk % lanes.length]!;
      const inside = at - chunk * chunkBytes;
      const count = Math.min(chunkBytes - inside, stop - at);
      const row = Math.floor(chunk / lanes.length);
      yield {
        device: lane.device,
        at: lane.offset + row * chunkBytes + inside,
        from: part.offset + at - offset,
        length: count,
      };
      at += count;
    }
  }
}

/** A range device by device: what of it lies on a lane is one run there, however many stripes it has. */
export function* runsOfLanes(parts: readonly Part[], offset: number, length: number): Generator<Omit<Piece, 'from'>> {
  for (const { begin, part, stop } of touched(parts, offset, length)) {
    for (const [index, { device, offset: start }] of part.lanes.entries()) {
      const from = bytesBefore(part, index, begin);
      const to = bytesBefore(part, index, stop);
      if (to > from) yield { device, at: start + from, length: to - from };
    }
  }
}

/** Of the first bytes of a part, how many lie on a lane. */
function bytesBefore({ chunkBytes, lanes }: Part, index: number, position: number): number {
  const chunk = Math.floor(position / chunkBytes);
  const rows = Math.floor(chunk / lanes.length) * chunkBytes;
  const lane = chunk % lanes.length;
  if (lane > index) return rows + chunkBytes;
  return lane === index ? rows + (position - chunk * chunkBytes) : rows;
}
