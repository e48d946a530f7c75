import { AshlarError, type PoolStatus } from '@ashlar/core';
import type { AfterLoss, Volume } from './types.ts';

/**
 * Whether a loss concerns a volume. Most are of writes that were acknowledged and not yet flushed: a writer on this machine went
 * down with it; one on another machine lives on, believes in what it wrote, and NBD has no way to tell it. Where what had been
 * flushed is lost, and nobody knows of which volume, it concerns them all.
 */
type LossRecord = Pick<Volume, 'name' | 'afterLoss' | 'acceptedLoss' | 'remoteWriter'>;

/** What the pool says of its losses; both rise only when a pool is opened. */
export type PoolLoss = Pick<PoolStatus, 'lossGeneration' | 'promisedLossGeneration'>;

/** Why a volume is not served, and the command that mends it; nothing when no loss concerns it that was not accepted. `byDefault`: what one does that says nothing itself. */
export function heldReason(volume: LossRecord, pool: PoolLoss, byDefault: AfterLoss): string | undefined {
  const { name, acceptedLoss = 0 } = volume;
  if ((volume.afterLoss ?? byDefault) === 'serve') return undefined;
  const mend = `see whether it is whole, then run: ashlar volume accept ${name}`;
  if (pool.promisedLossGeneration > acceptedLoss) {
    return `the pool's journal was damaged: writes that had been flushed may be missing, of this volume or of others; ${mend}`;
  }
  if (volume.remoteWriter !== true || pool.lossGeneration <= acceptedLoss) return undefined;
  return (
    `the machine stopped while a client on another machine had the volume '${name}' attached: ` +
    `writes that were acknowledged and not yet flushed may be missing; ${mend}`
  );
}

/** As it stands when a writer from another machine may attach; the very same when it stands so already. */
export function withRemoteWriter<V extends LossRecord>(volume: V, { lossGeneration }: PoolLoss): V {
  if (volume.remoteWriter === true && volume.acceptedLoss === lossGeneration) return volume;
  return { ...volume, remoteWriter: true, acceptedLoss: lossGeneration };
}

/** The hold, if any, lifted: everything there is now is durable, and only what comes later can be lost. */
export function accepted<V extends LossRecord>(volume: V, { lossGeneration }: PoolLoss): V {
  return { ...volume, acceptedLoss: lossGeneration };
}

export function heldError(name: string, reason: string): AshlarError {
  return new AshlarError('denied', `the volume '${name}' is held: ${reason}`, { volume: name });
}
