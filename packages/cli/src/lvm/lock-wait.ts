import { setTimeout } from 'node:timers/promises';
import { AshlarError } from '@ashlar/core';
import { lockOperation } from '@ashlar/image/lvm';

const waitMs = 5000;
const stepMs = 50;

/** Runs a command that takes LVM's locks, and waits for them a while where somebody holds one: most commands hold them for an instant. */
export async function waitingForLocks<T>(command: () => Promise<T>): Promise<T> {
  for (let waitedMs = 0; ; waitedMs += stepMs) {
    try {
      return await command();
    } catch (error) {
      const isHeld = error instanceof AshlarError && error.context.operation === lockOperation;
      if (!isHeld || waitedMs >= waitMs) throw error;
      await setTimeout(stepMs);
    }
  }
}
