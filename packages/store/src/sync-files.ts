import type { HostFile } from '@ashlar/host';

/** Syncs files at once. Gives those whose sync failed, and why, when all have ended. */
export async function failedSyncs(files: readonly HostFile[]): Promise<ReadonlyMap<HostFile, unknown>> {
  const failed = new Map<HostFile, unknown>();
  const sync = async (file: HostFile): Promise<void> => {
    try {
      await file.sync();
    } catch (error) {
      failed.set(file, error);
    }
  };
  await Promise.all(files.map(sync));
  return failed;
}

/**
 * Syncs files at once. Rule 5: one that fails is not tried again, for the kernel may have dropped what it was to write
 * and a second try would say that all is well. `retried` breaks the rule, for the simulator.
 */
export async function syncFiles(files: readonly HostFile[], retried: boolean): Promise<void> {
  try {
    await Promise.all(files.map((file) => file.sync()));
  } catch (error) {
    if (!retried) throw error;
    await Promise.all(files.map((file) => file.sync()));
  }
}
