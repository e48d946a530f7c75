import { AshlarError } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import { incompatible, mostSnapshots, type Qcow2Header } from '../header.ts';
import { encodeSnapshots, type ImageSnapshot } from '../snapshot-table.ts';
import { readSnapshots, tableAt } from '../stored.ts';
import { MetadataChange } from './metadata-change.ts';

/** An image that nobody else has open, and that is in order. */
type Opened = { readonly file: HostFile; readonly header: Qcow2Header };

const l1Of = ({ file, header }: Opened): Promise<Buffer> =>
  tableAt(file, header.l1Offset, header.l1Entries * 8, file.path);

/** Keeps what an image has now under a name, which others may have as well. */
export async function createSnapshot(opened: Opened, name: string, wallMs: number): Promise<void> {
  const { file, header } = opened;
  const { path } = file;
  if ((header.incompatible & incompatible.dataFile) !== 0) {
    throw new AshlarError('unsupported', `'${path}' has its data in another file, of which it keeps no snapshots`, {
      path,
    });
  }
  const snapshots = await readSnapshots(file, header, path);
  if (snapshots.length >= mostSnapshots) {
    throw new AshlarError('invalid', `'${path}' has ${snapshots.length} snapshots, and can have no more`, { path });
  }
  if (Buffer.byteLength(name) > 65_535) throw new AshlarError('invalid', 'the name of the snapshot is too long');
  const l1 = await l1Of(opened);
  const change = await MetadataChange.begin(file, header);
  await change.refer(l1, 1);
  // Both have the same tables.
  await change.setFlags(l1, 2);
  const id = String(1 + Math.max(0, ...snapshots.map((each) => Number.parseInt(each.id, 10) || 0)));
  const snapshot = {
    id,
    name,
    l1Offset: await change.put(l1),
    l1Entries: header.l1Entries,
    seconds: Math.floor(wallMs / 1000),
    nanoseconds: Math.floor((wallMs % 1000) * 1_000_000),
    guestClock: 0n,
    vmStateBytes: 0,
    sizeBytes: header.sizeBytes,
    instructions: 0n,
    unknown: new Uint8Array(),
    endsAt: 0,
  };
  change.drop(header.l1Offset, l1.length);
  const l1Offset = await change.put(l1);
  await change.commit({ l1Offset, ...(await tableOf(change, header, snapshots, [...snapshots, snapshot])) });
}

/** Removes a snapshot, by id or name. Fails with `not-found`. */
export async function deleteSnapshot(opened: Opened, name: string): Promise<void> {
  const { file, header } = opened;
  const snapshots = await readSnapshots(file, header, file.path);
  const found = findSnapshot(file.path, snapshots, name);
  const l1 = await l1Of(opened);
  const change = await MetadataChange.begin(file, header);
  await change.refer(await l1OfSnapshot(opened, found), -1);
  change.drop(found.l1Offset, found.l1Entries * 8);
  await change.setFlags(l1, 1);
  change.drop(header.l1Offset, l1.length);
  const l1Offset = await change.put(l1);
  const left = snapshots.filter((each) => each !== found);
  await change.commit({ l1Offset, ...(await tableOf(change, header, snapshots, left)) });
}

/** The image has what it had then; what it had until now is lost. Fails with `not-found`. */
export async function applySnapshot(opened: Opened, name: string): Promise<void> {
  const { file, header } = opened;
  const { path } = file;
  if (header.bitmaps !== undefined) {
    throw new AshlarError('unsupported', `'${path}' has bitmaps of what is written, which would not be true any more`, {
      path,
    });
  }
  const found = findSnapshot(path, await readSnapshots(file, header, path), name);
  const before = await l1Of(opened);
  // A snapshot may be of a smaller image, and have a machine's memory behind its disk.
  const l1 = Buffer.alloc(Math.max(header.l1Entries, found.l1Entries) * 8);
  (await l1OfSnapshot(opened, found)).copy(l1);
  const change = await MetadataChange.begin(file, header);
  await change.refer(l1, 1);
  await change.refer(before, -1);
  await change.setFlags(l1, 1);
  change.drop(header.l1Offset, before.length);
  const l1Offset = await change.put(l1);
  await change.commit({ l1Offset, l1Entries: l1.length / 8, sizeBytes: found.sizeBytes });
}

/** As QEMU: what has it as its id goes before what has it as its name. */
export function findSnapshot(path: string, snapshots: readonly ImageSnapshot[], name: string): ImageSnapshot {
  const found = snapshots.find(({ id }) => id === name) ?? snapshots.find((each) => each.name === name);
  if (found === undefined) throw new AshlarError('not-found', `'${path}' has no snapshot '${name}'`, { path });
  return found;
}

function l1OfSnapshot({ file, header }: Opened, { l1Entries, l1Offset, name }: ImageSnapshot): Promise<Buffer> {
  const { path } = file;
  if (l1Offset % 2 ** header.clusterBits !== 0) {
    throw new AshlarError('corrupt', `the L1 table of the snapshot '${name}' of '${path}' begins no cluster`, { path });
  }
  return tableAt(file, l1Offset, l1Entries * 8, path);
}

/** Writes the table of snapshots anew. */
async function tableOf(
  change: MetadataChange,
  header: Qcow2Header,
  before: readonly ImageSnapshot[],
  after: readonly ImageSnapshot[],
): Promise<{ readonly snapshotCount: number; readonly snapshotsOffset: number }> {
  change.drop(header.snapshotsOffset, before.at(-1)?.endsAt ?? 0);
  const table = encodeSnapshots(after);
  return { snapshotCount: after.length, snapshotsOffset: await change.put(table) };
}
