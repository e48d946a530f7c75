import { AshlarError, errorKindOf } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';

/** Where lvm2 has its locks: a file a group, which is locked as a whole. */
export const lvmLockDirectory = '/run/lock/lvm';

/** What lvm2 locks for what belongs to no group yet. */
export const lockOfAll = 'P_global';

export const lockOfGroup = (name: string): string => `V_${name}`;

/** Locks that are held until they are released, once. */
export type HeldLocks = { release(): void };

const mostTries = 10;

/** What an error says that it was, where a lock is held by another: it may be free soon. */
export const lockOperation = 'lvm lock';

/**
 * Takes lvm2's locks, all or none, and waits for nobody: `busy` where another holds one. `denied` where there is no directory for them and none
 * can be made.
 */
export function takeLocks(host: Host, directory: string, names: readonly string[]): HeldLocks {
  makeDirectory(host, directory);
  const files: HostFile[] = [];
  const release = (): void => {
    for (const file of files) {
      // As lvm2: the name goes first, so that who gets the lock next sees that it is of a file that is gone.
      removeName(host, file.path);
      file.close();
    }
  };
  try {
    // In one order, so that two do not wait for each other's.
    for (const name of [...names].sort()) files.push(takeLock(host, `${directory}/${name}`, name));
  } catch (error) {
    release();
    throw error;
  }
  return { release };
}

function removeName(host: Host, path: string): void {
  try {
    host.unlink(path);
  } catch (error) {
    if (errorKindOf(error) !== 'not-found') throw error;
  }
}

function makeDirectory(host: Host, directory: string): void {
  if (host.stat(directory) !== undefined) return;
  try {
    host.makeDirectory(directory);
  } catch (error) {
    if (errorKindOf(error) === 'exists') return;
    throw new AshlarError('denied', `there is no directory '${directory}' for LVM's locks`, { path: directory }, error);
  }
}

/** lvm2 removes the file with the lock: what was locked must still be what has the name. */
function takeLock(host: Host, path: string, name: string): HostFile {
  for (let tries = 0; tries < mostTries; tries += 1) {
    const file = host.open(path, { create: true });
    if (!file.tryLock(true)) {
      file.close();
      break;
    }
    const again = host.open(path, { create: true });
    // A second description of the same file does not get what the first one holds.
    const isOther = again.tryLock(true);
    again.close();
    if (!isOther) return file;
    file.close();
  }
  throw new AshlarError(
    'busy',
    `Can't get lock for ${name.replace(/^[VP]_/, '')}: LVM or another command works on it`,
    {
      operation: lockOperation,
      path,
    },
  );
}
