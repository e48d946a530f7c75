import { pipeline } from 'node:stream/promises';
import { AshlarError } from '@ashlar/core';
import { readFrames, type StreamFrame, type StreamHeader } from '@ashlar/image';
import type { SnapshotView, VolumeView } from '@ashlar/server';
import { snapshotPath, snapshotsPath, volumePath } from '../api-paths.ts';
import { changesBetween, type Run } from '../changes.ts';
import { AdminClient } from '../client.ts';
import { UsageError } from '../failure.ts';
import type { ServerOptions } from '../options.ts';
import { show } from '../output.ts';
import { withBar } from '../progress.ts';
import { snapshotParts } from '../snapshot-names.ts';
import { attach } from '../stream/attach.ts';
import { writeFrames } from '../stream/receive-frames.ts';
import { streamOf } from '../stream/send-frames.ts';

function named(snapshots: readonly SnapshotView[], volume: string, name: string): SnapshotView {
  const found = snapshots.find(({ snapshot }) => snapshot === name);
  if (found !== undefined) return found;
  throw new AshlarError(
    'not-found',
    `the volume '${volume}' has no snapshot '${name}': 'ashlar volume snapshot ls ${volume}' shows those there are`,
  );
}

export async function send(target: string, options: ServerOptions & { fromOffset?: number }): Promise<void> {
  const { volume, name: names } = snapshotParts(target);
  const [first = '', last] = names.split('..', 2);
  if (process.stdout.isTTY) {
    throw new UsageError(`the stream goes to a file or a program: ashlar volume send ${target} > FILE`);
  }
  const client = AdminClient.find(options);
  const snapshots = await client.get<SnapshotView[]>(snapshotsPath(volume));
  const snapshot = named(snapshots, volume, last ?? first);
  const since = last === undefined ? undefined : named(snapshots, volume, first);
  const startOffset = options.fromOffset ?? 0;
  const header: StreamHeader = {
    format: 'ashlar-volume-stream',
    volume,
    sizeBytes: snapshot.sizeBytes,
    snapshot: { name: snapshot.snapshot, uuid: snapshot.uuid },
    ...(since === undefined ? {} : { since: { name: since.snapshot, uuid: since.uuid } }),
    startOffset,
  };
  const all: Run[] = [{ offset: 0, length: snapshot.sizeBytes }];
  const runs = since === undefined ? all : await changesBetween(client, volume, since.snapshot, snapshot.snapshot);
  const device = await attach(client, volume, snapshot.snapshot);
  try {
    await withBar('sent', (progress) =>
      pipeline(
        streamOf(device, header, behind(runs, startOffset), (offset) => progress(offset, snapshot.sizeBytes)),
        process.stdout,
        { end: false },
      ),
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
    throw new AshlarError('closed', 'whoever receives the stream has ended', {}, error);
  } finally {
    await device.close();
  }
}

/** What of the runs lies at `offset` or behind it. */
function* behind(runs: Iterable<Run>, offset: number): Generator<Run> {
  for (const run of runs) {
    const end = run.offset + run.length;
    if (end <= offset) continue;
    const start = Math.max(run.offset, offset);
    yield { offset: start, length: end - start };
  }
}

type ReceiveOptions = ServerOptions & { readonly resume?: boolean; readonly force?: boolean };

export async function receive(volume: string, options: ReceiveOptions): Promise<void> {
  if (process.stdin.isTTY) {
    throw new UsageError(`the stream comes from a file or a program: ashlar volume receive ${volume} < FILE`);
  }
  const frames = readFrames(process.stdin);
  const { value: first } = await frames.next();
  if (first?.type !== 'header') throw new AshlarError('invalid', 'the stream has no header');
  const { header } = first;
  const client = AdminClient.find(options);
  await prepare(client, volume, header, options);
  const { since, snapshot, startOffset } = header;
  let durable = startOffset;
  const record = async (offset: number): Promise<void> => {
    durable = Math.max(durable, offset);
    const from = since === undefined ? {} : { since: since.uuid };
    await client.patch(volumePath(volume), { receiving: { snapshot: snapshot.uuid, ...from, offset: durable } });
  };
  await record(durable);
  try {
    await fill(client, volume, header, frames, record);
  } catch (error) {
    if (!(error instanceof AshlarError)) throw error;
    const sent = `${header.volume}@${since === undefined ? '' : `${since.name}..`}${snapshot.name}`;
    throw new AshlarError(
      error.kind,
      `the stream broke off: ${error.message}. What came up to byte ${durable} is kept: go on with 'ashlar volume send ${sent} --from-offset ${durable}' and 'ashlar volume receive ${volume} --resume'`,
      {},
      error,
    );
  }
  const { name, uuid } = snapshot;
  const [made] = await client.post<SnapshotView[]>('/v1/snapshots', { snapshots: [{ volume, name, uuid }] });
  await client.patch(volumePath(volume), { receiving: null });
  show(options.json, made, () => `received ${volume}@${name}`);
}

async function fill(
  client: AdminClient,
  volume: string,
  header: StreamHeader,
  frames: AsyncIterable<StreamFrame>,
  record: (offset: number) => Promise<void>,
): Promise<void> {
  const device = await attach(client, volume);
  try {
    await withBar('received', (progress) =>
      writeFrames(
        device,
        frames,
        record,
        (offset) => progress(offset, header.sizeBytes),
        (error) => process.stdin.destroy(error),
      ),
    );
  } finally {
    await device.close();
  }
}

/** Makes the volume what the stream goes on from. Throws where what is there is something else. */
async function prepare(
  client: AdminClient,
  name: string,
  header: StreamHeader,
  { resume = false, force = false }: ReceiveOptions,
): Promise<void> {
  const { since, sizeBytes, startOffset } = header;
  const volumes = await client.get<VolumeView[]>('/v1/volumes');
  const volume = volumes.find((each) => each.name === name);
  if (resume) return checkResumed(name, volume, header);
  if (startOffset > 0) {
    throw new AshlarError(
      'invalid',
      `the stream begins at byte ${startOffset}: say --resume to go on with one that broke off`,
    );
  }
  if (since === undefined) {
    if (volume === undefined) return void (await client.post('/v1/volumes', { name, size: sizeBytes }));
    throw new AshlarError('exists', `there is a volume '${name}' already: a stream of a whole volume makes a new one`);
  }
  if (volume === undefined) {
    throw new AshlarError(
      'not-found',
      `there is no volume '${name}' with the snapshot '${since.name}' that the stream goes on from`,
    );
  }
  const newest = (await client.get<SnapshotView[]>(snapshotsPath(name))).at(-1);
  if (newest?.uuid !== since.uuid) {
    throw new AshlarError(
      'invalid',
      `the stream goes on from the snapshot '${since.name}', and the newest of '${name}' ${newest === undefined ? 'is none' : `is '${newest.snapshot}'`}`,
    );
  }
  const changed =
    volume.sizeBytes !== newest.sizeBytes || (await changesBetween(client, name, newest.snapshot)).length > 0;
  if (changed && !force) {
    throw new AshlarError(
      'busy',
      `the volume '${name}' was written to since '${newest.snapshot}': say --force if that is to be lost`,
    );
  }
  if (changed) await client.post(`${snapshotPath(newest.name)}/rollback`, {});
  if (newest.sizeBytes !== sizeBytes) await client.patch(volumePath(name), { size: sizeBytes, shrink: true });
}

function checkResumed(name: string, volume: VolumeView | undefined, header: StreamHeader): void {
  const { snapshot, since, startOffset } = header;
  const { receiving } = volume ?? {};
  if (receiving?.snapshot !== snapshot.uuid) {
    throw new AshlarError('invalid', `no stream of the snapshot '${snapshot.name}' broke off in '${name}'`);
  }
  // Another one leaves out what it takes for known.
  if (receiving.since !== since?.uuid) {
    const [other, own] = [receiving.since, since?.uuid].map((uuid) => (uuid === undefined ? 'none' : uuid));
    throw new AshlarError(
      'invalid',
      `the one that broke off goes on from the snapshot with the uuid ${other}, and this one from ${own}: send the same again`,
    );
  }
  if (startOffset <= receiving.offset) return;
  throw new AshlarError(
    'invalid',
    `the stream begins at byte ${startOffset}, and what is there ends at ${receiving.offset}: send it with --from-offset ${receiving.offset}`,
  );
}
