import { errorKindOf, type Settled } from '@ashlar/core';
import { blockBytes } from './snapshot-model.ts';
import { Problem, type Stepper } from './stepper.ts';

const partBytes = 256 * 1024;

/** Whether a block was damaged on the disk: it may be lost, and nothing else may. */
export type MayBeLost = (block: number) => boolean;

export const nothingIsLost: MayBeLost = () => false;

/**
 * Reads all of an object's bytes. Gives the blocks that are lost: those that answer `corrupt` though what lies beside them does not.
 */
export async function readBack(
  stepper: Stepper,
  bytes: Uint8Array,
  read: (offset: number, part: Uint8Array) => Settled<void>,
  mayBeLost: MayBeLost,
): Promise<ReadonlySet<number>> {
  const lost = new Set<number>();
  for (let at = 0; at < bytes.length; at += partBytes) {
    const part = bytes.subarray(at, at + partBytes);
    const outcome = await stepper.settled(`reading back at ${at}`, () => read(at, part));
    if (!('error' in outcome)) continue;
    if (errorKindOf(outcome.error) !== 'corrupt')
      throw new Problem(`reading back at ${at} failed: ${outcome.error.stack}`);
    for (let from = at; from < at + part.length; from += blockBytes) {
      const block = bytes.subarray(from, Math.min(from + blockBytes, bytes.length));
      const alone = await stepper.settled(`reading back at ${from}`, () => read(from, block));
      if (!('error' in alone)) continue;
      if (errorKindOf(alone.error) !== 'corrupt' || !mayBeLost(from / blockBytes)) {
        throw new Problem(`reading back at ${from} failed: ${alone.error.stack}`);
      }
      lost.add(from / blockBytes);
    }
  }
  return lost;
}
