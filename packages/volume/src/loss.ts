import { AshlarError } from '@ashlar/core';
import type { AfterLoss, Volume } from './types.ts';

/**
 * Whether a loss concerns a volume: a recovery may have dropped writes that were acknowledged and not yet flushed. A
 * writer on this machine went down with it; one on another machine lives on, believes in what it wrote, and NBD has no
 * way to tell it.
 */
type LossRecord = Pick<Volume, 'afterLoss' | 'acceptedLoss' | 'remoteWriter'>;

/** Whether the pool's loss generation is above the one that the volume's remote writers wrote under. `byDefault`: for one that says nothing itself. */
export function isHeld(volume: LossRecord, lossGeneration: number, byDefault: AfterLoss): boolean {
  if (volume.remoteWriter !== true || (volume.afterLoss ?? byDefault) === 'serve') return false;
  return lossGeneration > (volume.acceptedLoss ?? 0);
}

/** As it stands when a writer from another machine may attach; the very same when it stands so already. */
export function withRemoteWriter<V extends LossRecord>(volume: V, lossGeneration: number): V {
  if (volume.remoteWriter === true && volume.acceptedLoss === lossGeneration) return volume;
  return { ...volume, remoteWriter: true, acceptedLoss: lossGeneration };
}

/** The hold, if any, lifted: everything there is now is durable, and only what comes later can be lost. */
export function accepted<V extends LossRecord>(volume: V, lossGeneration: number): V {
  return { ...volume, acceptedLoss: lossGeneration };
}

/** What may be missing and the command that mends it. */
export function heldReason(name: string): string {
  return (
    `the machine stopped while a client on another machine had the volume '${name}' attached: ` +
    `writes that were acknowledged and not yet flushed may be missing; see whether it is whole, then run: ashlar volume accept ${name}`
  );
}

export function heldError(name: string): AshlarError {
  return new AshlarError('denied', `the volume '${name}' is held: ${heldReason(name)}`, { volume: name });
}
