import { writeFile } from 'node:fs/promises';
import { settled } from './settled.ts';

/** Why nothing can be measured cold here, in a few words; undefined where it can. */
export const whyNotCold = (): string | undefined =>
  process.getuid?.() === 0 ? undefined : 'only root may drop the caches of the host';

/** What is written to the file system of a directory is on its disk, and nothing of it in the host's memory. Needs root. */
export async function dropCaches(directory: string): Promise<void> {
  await settled(directory);
  await writeFile('/proc/sys/vm/drop_caches', '3');
}
