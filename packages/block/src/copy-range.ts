import type { BlockDevice } from '@ashlar/core';
import { stepBytes } from './check.ts';

/** The part of a device that a copy writes to. */
type Target = Pick<BlockDevice, 'write' | 'zero' | 'blockSizes'>;

/** Extents asked for at once: bounds the memory of a copy of a device in many pieces. */
const extentLimit = 256;

/**
 * Copies [sourceOffset, sourceOffset+length) to `offset`, front to back, with at most one step (1 MiB) in memory. Holes
 * become holes and zeros stay reserved, where the source tells them. Source and target ranges must not overlap.
 */
export async function copyRange(
  source: BlockDevice,
  sourceOffset: number,
  target: Target,
  offset: number,
  length: number,
): Promise<void> {
  const step = Math.min(stepBytes(source), stepBytes(target));
  const buffer = new Uint8Array(Math.min(step, length));
  const shift = offset - sourceOffset;
  const end = sourceOffset + length;
  for (let at = sourceOffset; at < end;) {
    for (const extent of await source.extents(at, end - at, extentLimit)) {
      at = extent.offset + extent.length;
      if (extent.state === 'data')
        await copyData(source, extent.offset, target, extent.offset + shift, extent.length, buffer);
      else
        await target.zero(
          extent.offset + shift,
          extent.length,
          extent.state === 'zero' ? 'keep-allocated' : 'may-trim',
          false,
        );
    }
  }
}

async function copyData(
  source: BlockDevice,
  sourceOffset: number,
  target: Target,
  offset: number,
  length: number,
  buffer: Uint8Array,
): Promise<void> {
  for (let done = 0; done < length; done += buffer.length) {
    const part = buffer.subarray(0, Math.min(buffer.length, length - done));
    await source.read(sourceOffset + done, part);
    await target.write(offset + done, part, false);
  }
}

/** The same back to front, for ranges of one device where the target begins inside the source. */
export async function copyRangeBackwards(
  source: BlockDevice,
  sourceOffset: number,
  target: Target,
  offset: number,
  length: number,
): Promise<void> {
  const buffer = new Uint8Array(Math.min(stepBytes(source), stepBytes(target), length));
  for (let left = length; left > 0;) {
    const size = Math.min(buffer.length, left);
    left -= size;
    const [first] = await source.extents(sourceOffset + left, size, 1);
    if (first !== undefined && first.length === size && first.state !== 'data') {
      await target.zero(offset + left, size, first.state === 'zero' ? 'keep-allocated' : 'may-trim', false);
    } else await copyData(source, sourceOffset + left, target, offset + left, size, buffer.subarray(0, size));
  }
}
