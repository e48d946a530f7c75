import { AshlarError, assert } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import { openClaimed } from './claims.ts';
import { bytesOfText, commitText, textOf, type OpenArea } from './commit.ts';
import { withNextNumber } from './edit.ts';
import type { VolumeGroup } from './group.ts';
import { lockOfAll, lockOfGroup, lvmLockDirectory, takeLocks, type HeldLocks } from './locks.ts';
import { readPhysical, type FoundPhysical } from './physical.ts';
import { groupNamed, groupsOf, scan, type FoundGroup, type Scan } from './scan.ts';
import type { Section } from './text/tree.ts';

/** What a change is made on, and in whose name. */
export type ChangeOptions = {
  /** Devices and files that have the group, and may have others. */
  readonly paths: readonly string[];
  /** The command, as it is kept in the text. */
  readonly description: string;
  readonly lockDirectory?: string;
};

/** Devices that are ours alone, by path, with what lvm2's label says of each. */
export type Claimed = ReadonlyMap<string, { readonly file: HostFile; readonly found: FoundPhysical | undefined }>;

/** Runs what changes devices under lvm2's locks, with those devices claimed, and lets go of all of them. */
export async function withClaims<T>(
  host: Host,
  paths: readonly string[],
  locks: readonly string[],
  directory: string,
  run: (claimed: Claimed) => Promise<T>,
): Promise<T> {
  const held = locksFor(host, paths, locks, directory);
  const claims: HostFile[] = [];
  try {
    const claimed = new Map<string, { file: HostFile; found: FoundPhysical | undefined }>();
    for (const path of new Set(paths)) {
      const file = openClaimed(host, path);
      claims.push(file);
      claimed.set(path, { file, found: await readPhysical(file) });
    }
    return await run(claimed);
  } finally {
    for (const file of claims) file.close();
    held?.release();
  }
}

/** lvm2 works on devices only: files alone need no locks of its, where there is no place for them. */
function locksFor(
  host: Host,
  paths: readonly string[],
  names: readonly string[],
  directory: string,
): HeldLocks | undefined {
  try {
    return takeLocks(host, directory, names);
  } catch (error) {
    const hasDevices = paths.some((path) => host.stat(path)?.kind === 'device');
    if (hasDevices || !(error instanceof AshlarError) || error.kind === 'busy') throw error;
    return undefined;
  }
}

/** Throws where a group must not be written, in a sentence that says why. */
export function refuseToWrite({ faults, group, missing }: FoundGroup): void {
  const refuse = (kind: 'unsupported' | 'denied' | 'corrupt' | 'read-only', why: string): never => {
    throw new AshlarError(kind, `the volume group '${group.name}' is not written: ${why}`);
  };
  const [unknown] = group.notUnderstood;
  if (unknown !== undefined) refuse('unsupported', `${unknown}, which is not understood`);
  const [gone] = missing;
  if (gone !== undefined) {
    refuse(
      'corrupt',
      `its physical volume ${gone.id}, last at ${gone.deviceHint}, is missing: name its device as well`,
    );
  }
  const fault = faults.find(({ isBehind }) => !isBehind);
  if (fault !== undefined) refuse('corrupt', `${fault.sentence}; lvm2's vgck --updatemetadata mends that`);
  if (group.lockType !== '' && group.lockType !== 'none') {
    refuse('denied', `it is shared between machines (lock type ${group.lockType})`);
  }
  if (group.systemId !== '') refuse('denied', `it belongs to the machine '${group.systemId}'`);
  if (group.status.includes('EXPORTED')) refuse('denied', 'it is exported');
  if (!group.status.includes('WRITE')) refuse('read-only', 'it is read-only');
  if (!group.status.includes('RESIZEABLE')) refuse('denied', 'it is not resizable');
}

/** The areas of a group's physical volumes that are in use. */
export function areasOf({ found }: Pick<FoundGroup, 'found'>, claimed: Claimed): OpenArea[] {
  return [...found.values()].flatMap(({ areas, path }) =>
    areas.flatMap(({ header }) => {
      const file = claimed.get(path)?.file;
      assert(file !== undefined, 'the group is claimed');
      return header === undefined || header.isIgnored ? [] : [{ file, header }];
    }),
  );
}

/** Writes the group anew, with the next number. */
export async function commitGroup(
  host: Host,
  name: string,
  tree: Section,
  seqno: number,
  areas: readonly OpenArea[],
  description: string,
): Promise<VolumeGroup> {
  const { bytes, group } = bytesOfText(textOf(host, name, withNextNumber(tree, seqno), description));
  assert(group.seqno === seqno + 1, 'numbers follow each other');
  await commitText(areas, bytes);
  return group;
}

/** The devices of a group among those that were named: the others are left alone. */
export function pathsOf({ groups }: Pick<Scan, 'groups'>, name: string): string[] {
  return [...groupNamed({ groups }, name).found.values()].map(({ path }) => path);
}

/**
 * Changes a group: `change` gives its next tree. It is read again under lvm2's locks and on claimed devices, and refused where it is not
 * understood, is damaged, misses something, or is another machine's.
 */
export async function changeGroup(
  host: Host,
  name: string,
  options: ChangeOptions,
  change: (found: FoundGroup, claimed: Claimed) => Promise<Section> | Section,
): Promise<VolumeGroup> {
  const { description, lockDirectory = lvmLockDirectory, paths } = options;
  const own = pathsOf(await scan(host, paths), name);
  return await withClaims(host, own, [lockOfGroup(name)], lockDirectory, async (claimed) => {
    const found = foundAmong(claimed, name);
    refuseToWrite(found);
    const tree = await change(found, claimed);
    return await commitGroup(host, name, tree, found.group.seqno, areasOf(found, claimed), description);
  });
}

/** A group on devices that are claimed. */
export function foundAmong(claimed: Claimed, name: string): FoundGroup {
  return groupNamed(groupsOf([...claimed.values()].flatMap(({ found }) => found ?? [])), name);
}

/** Locks of what makes or takes physical volumes of a group. */
export const locksOfDevices = (name: string): string[] => [lockOfAll, lockOfGroup(name)];
