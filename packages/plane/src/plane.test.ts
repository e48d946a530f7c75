import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { deviceStatsBytes } from '@ashlar/block';
import { AshlarError, KiB, MiB } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { createImage } from '@ashlar/image';
import { Plane, type Grant } from './index.ts';
import { endWorker, startWorker } from './start-worker.ts';

const store = {
  chunkSize: 256 * KiB,
  journalSize: 32 * MiB,
  overlaySize: 8 * MiB,
  cacheSize: 8 * MiB,
  mapCacheSize: 4 * MiB,
};

function directory(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'ashlar-plane-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function start(path: string, onDeath: (error: Error) => void = () => undefined): Promise<Plane> {
  const nothing = (): undefined => undefined;
  const control = {
    namesFor: () => [],
    find: nothing,
    admitWriter: nothing,
    resize: () => Promise.resolve(),
    log: nothing,
    attached: nothing,
    ended: nothing,
    nfsEnded: nothing,
  };
  return Plane.start({ settings: { poolPath: join(path, 'pool'), store }, control, onDeath });
}

/** Of a descriptor that may be gone by now. */
function isOpenOn(descriptor: string, file: string): boolean {
  try {
    return readlinkSync(join('/proc/self/fd', descriptor)) === file;
  } catch {
    return false;
  }
}

const fileGrant = (path: string, readOnly: boolean, format: 'raw' | 'qcow2' = 'raw'): Grant => ({
  exportName: 'raw',
  source: {
    kind: 'file',
    format,
    followsFiles: false,
    isShared: false,
    isSaidRaw: false,
    partition: undefined,
    path,
    readOnly,
  },
  readOnly,
  mayResize: false,
  stats: new SharedArrayBuffer(deviceStatsBytes),
  contexts: [],
});

test('volumes are made, listed, resized, measured and removed in the worker', async (t) => {
  const plane = await start(directory(t));
  const place = await plane.stores.create(8 * MiB, 'off', 'off');
  t.deepEqual(await plane.stores.list(), [place.storeId]);
  await plane.stores.resize(place, 16 * MiB);
  t.like(await plane.stores.space(place), { virtualBytes: 16 * MiB, allocatedBytes: 0 });
  await plane.stores.release(place.storeId, false);
  await plane.stores.remove(place.storeId);
  t.deepEqual(await plane.stores.list(), []);
  t.is(await plane.close(1000), 0);
});

test('a volume cannot be shared by two workers: the pool is refused to a second', async (t) => {
  const path = directory(t);
  const plane = await start(path);
  const error = await t.throwsAsync(() => start(path), { instanceOf: AshlarError });
  t.is(error?.kind, 'busy');
  await plane.close(1000);
});

test('a device is described as it is, a read-only grant as read-only', async (t) => {
  const path = directory(t);
  const file = join(path, 'disk.raw');
  writeFileSync(file, Buffer.alloc(MiB));
  const plane = await start(path);
  t.like(await plane.describe(fileGrant(file, false)), { sizeBytes: MiB, readOnly: false });
  t.like(await plane.describe(fileGrant(file, true)), { sizeBytes: MiB, readOnly: true });
  const missing = await t.throwsAsync(() => plane.describe(fileGrant(join(path, 'none'), true)), {
    instanceOf: AshlarError,
  });
  t.is(missing?.kind, 'not-found');
  await plane.close(1000);
});

test('a file that was described is closed before that is answered: another program may open it at once', async (t) => {
  const path = directory(t);
  const file = join(path, 'disk.qcow2');
  await createImage(createRealHost(), file, { format: 'qcow2', sizeBytes: MiB });
  const plane = await start(path);
  // The worker is a thread of this process.
  const opened = (): number => readdirSync('/proc/self/fd').filter((fd) => isOpenOn(fd, file)).length;
  for (let time = 0; time < 50; time += 1) {
    await plane.describe(fileGrant(file, false, 'qcow2'));
    t.is(opened(), 0);
  }
  await plane.close(1000);
});

test('the death of the worker is told once, and what waits fails', async (t) => {
  const deaths: Error[] = [];
  let died = (): void => undefined;
  const dead = new Promise<void>((resolve) => {
    died = resolve;
  });
  const file = join(directory(t), 'disk.raw');
  writeFileSync(file, Buffer.alloc(MiB));
  const plane = await start(directory(t), (error) => {
    deaths.push(error);
    died();
  });
  // A descriptor that is none is a bug of the caller: the loop's assertion ends the thread.
  const socket = { descriptor: -1, received: new Uint8Array(0), peer: { address: 'unix', port: 0 } };
  const negotiated = { exportName: 'raw', replies: 'simple', contexts: [] } as const;
  void plane.adopt({ kind: 'ready', id: 1, socket, negotiated, grant: fileGrant(file, true) }).catch(() => undefined);
  await dead;
  t.is(deaths.length, 1);
  await t.throwsAsync(() => plane.status(), { message: /data worker is gone/ });
});

test('a worker that turns out not to be needed ends by itself, behind the loading of its code', async (t) => {
  const worker = startWorker();
  const status = new Promise((resolve) => worker.on('exit', resolve));
  await endWorker(worker);
  t.is(await status, 0, 'one that is cut off ends with 1');
  await endWorker(worker);
});
