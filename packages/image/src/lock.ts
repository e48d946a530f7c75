import { AshlarError } from '@ashlar/core';
import type { Host, HostFile, OpenOptions } from '@ashlar/host';

/**
 * Locks by which QEMU's programs know of each other (block/file-posix.c): who does something with an image has a lock of the byte 100 + N of it, who
 * bears nobody else doing it one of the byte 200 + N, each shared with others who have it. N says what.
 */
const heldBase = 100;
const refusedBase = 200;
const acts = { read: 0, write: 1, resize: 3 } as const;

type Act = keyof typeof acts;

/** `share`: reads what others may change meanwhile. */
export type ImageUse = 'write' | 'read' | 'share';

const rights: Readonly<Record<ImageUse, { readonly does: readonly Act[]; readonly refuses: readonly Act[] }>> = {
  write: { does: ['read', 'write', 'resize'], refuses: ['write', 'resize'] },
  read: { does: ['read'], refuses: ['write', 'resize'] },
  share: { does: ['read'], refuses: [] },
};

/**
 * Opens an image for a use that others are told of until it is closed. Throws what opening does, and `busy` with what another program does with it that
 * this cannot bear, or the other way round.
 */
export function openLocked(host: Host, path: string, use: ImageUse, options: OpenOptions = {}): HostFile {
  const file = host.open(path, { ...options, readOnly: use !== 'write' });
  try {
    lockImage(file, use);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

/** The same for a file that is open. Thrown `busy` it is of no use any more. */
export function lockImage(file: HostFile, use: ImageUse): void {
  const { does, refuses } = rights[use];
  // Who comes at the same time sees these.
  for (const act of does) if (!file.lockRange(heldBase + acts[act], 1)) throw inUse(file, 'has it alone');
  for (const act of refuses) if (!file.lockRange(refusedBase + acts[act], 1)) throw inUse(file, 'has it alone');
  for (const act of refuses) {
    if (file.isRangeLocked(heldBase + acts[act], 1)) {
      throw inUse(file, act === 'write' ? 'writes to it' : 'may change its size');
    }
  }
  for (const act of does) {
    if (!file.isRangeLocked(refusedBase + acts[act], 1)) continue;
    throw inUse(
      file,
      act === 'read' ? 'lets nobody read it meanwhile' : 'uses it, and lets nobody write to it meanwhile',
    );
  }
}

function inUse({ path }: HostFile, what: string): AshlarError {
  return new AshlarError(
    'busy',
    `'${path}' is in use: another program, such as a virtual machine or a server, ${what}`,
    {
      path,
    },
  );
}
