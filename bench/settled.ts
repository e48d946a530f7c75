import { run } from './process.ts';

/**
 * Settles when what was written to the file system of a directory is on its disk: what the host has yet to write of one turn would be in the way of the next, and is not
 * in its counts yet.
 */
export async function settled(directory: string): Promise<void> {
  await run('sync', ['-f', directory]);
}
