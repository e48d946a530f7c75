import { apart, onLoopDevice } from '../clients/loop-device.ts';
import { shell } from '../clients/served.ts';
import type { DirectoryFault } from './directory-faults.ts';
import type { Tears } from './torn-disk.ts';

/** A file system on the disk. */
export type FileSystem = {
  readonly name: string;
  /** Makes one on `$loop`. What it would write in the background later is written at once, so that only what is tested writes then. */
  readonly make: string;
  /** Fails where the one in `image`, which nobody has mounted, is not whole. */
  readonly check: string;
  /** What is torn, in bytes: no more than the file system itself can stand. */
  readonly tears: Tears;
};

export const ext4: FileSystem = {
  name: 'ext4',
  make: 'mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 $loop',
  check: 'e2fsck -f -n image',
  // Its superblock is two sectors with one checksum, and is written in place.
  tears: { sectorBytes: 512, untornBytes: 4096 },
};

export const xfs: FileSystem = {
  name: 'xfs',
  make: 'mkfs.xfs -q $loop',
  check: 'xfs_repair -n image',
  // It takes the number in the first sector of a block of its own for the age of all of it.
  tears: { sectorBytes: 4096, untornBytes: 0 },
};

/** Where what Node makes of the sources of programs is kept: they are many and short. */
const compiled = process.env['NODE_COMPILE_CACHE'] ?? 'compiled';

/** Programs of this folder. */
const run = (program: string, parameters: string): string =>
  `env NODE_COMPILE_CACHE=${compiled} ${process.execPath} ${new URL(program, import.meta.url).pathname} ${parameters}`;

/** The machine has been started again: what the kernel says of that is another word. */
const startedAgain = (name: string): string => `echo ${name} > boot
  mount --bind boot /proc/sys/kernel/random/boot_id`;

/** What is on the disk while its power is cut: whoever uses it, and whoever looks at what a cut left. The file `ledger` has what was asked and answered. */
export type Subject = {
  /** Commands that use the disk, which is mounted at `mnt`. The file `recording` has what it was asked until now. */
  readonly work: string;
  /** Commands that say what is wrong with what is mounted at `cut`; nothing where all is well. */
  readonly verify: (position: number) => string;
};

export type PoolWork = {
  readonly seed: number;
  /** How many times each volume was changed in earlier sessions: no version of a block comes again. */
  readonly earlier: number;
  /** How many times each volume is changed. */
  readonly changes: number;
  /** A rule of the store that is broken. */
  readonly broken?: string;
};

/** A pool with volumes. */
export const poolWith = ({ broken = '', changes, earlier, seed }: PoolWork): Subject => ({
  work: run('./workload.ts', `mnt/pool ledger recording ${seed} ${earlier} ${changes} ${broken}`),
  verify: (position) => run('./verify.ts', `cut/pool ledger ${position}`),
});

export type DirectoryWork = {
  readonly seed: number;
  /** How many times each client changes something. */
  readonly changes: number;
  readonly handles: 'kernel' | 'table';
  readonly fault?: DirectoryFault;
};

/** A directory that is exported over NFS. */
export const directoryWith = ({ changes, fault, handles, seed }: DirectoryWork): Subject => ({
  work: run('./directory-workload.ts', `mnt/shared ledger recording ${seed} ${changes} ${handles} ${fault ?? ''}`),
  verify: (position) => run('./directory-verify.ts', `cut/shared ledger ${position} ${handles}`),
});

export type Session = {
  /** Where the disk's file `disk` is, and the files `recording.*` and `ledger` come to be. */
  readonly cwd: string;
  /** Makes the file system first. */
  readonly fileSystem?: FileSystem;
  readonly seed: number;
  readonly subject: Subject;
};

/** Lets the disk be used and records what that is asked. Gives the most memory that the disk's process took, in KiB. */
export async function record({ cwd, fileSystem, seed, subject }: Session): Promise<number> {
  const session = onLoopDevice(
    'nbd+unix:///disk?socket=disk.sock',
    `${startedAgain(`session-${seed}`)}
    ${fileSystem?.make ?? ''}
    mount $loop mnt
    sync --file-system mnt
    ${subject.work}
    umount mnt`,
  );
  const out = await shell(
    `rm -f disk.sock ledger
    setpriv --pdeathsig KILL ${run('./recording-disk.ts', 'disk.sock disk recording')} &
    disk=$!
    until test -S disk.sock; do sleep 0.1; done
    ${session}
    awk '/^VmHWM/ { print $2 }' /proc/$disk/status
    kill $disk`,
    { cwd, timeoutMs: 300_000 },
  );
  return Number(out);
}

/**
 * Starts a machine whose disk is `image` as a cut at that position left it, and says what is wrong with what is on it, or with the file
 * system; nothing where all is well.
 */
export async function startAfterCut(
  cwd: string,
  { check }: FileSystem,
  subject: Subject,
  position: number,
): Promise<string> {
  const commands = apart(`${startedAgain('after-cut')}
    mkdir -p cut
    mount -o loop image cut
    ${subject.verify(position)}
    umount cut
    ${check} > checked 2>&1 || { cat checked; exit 1; }`);
  try {
    return (await shell(commands, { cwd, timeoutMs: 120_000 })).trim();
  } catch (error) {
    return String(error);
  }
}
