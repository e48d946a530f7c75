import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRealHost } from '@ashlar/host';
import { withFiles } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { DataFiles } from './data-files.ts';
import { FilePlaces } from './file-places.ts';
import { Scratch } from './scratch.ts';

const slotBytes = 256 * 1024;
const slotsEach = (16 * 1024 ** 3) / slotBytes;
const block = new Uint8Array(4096).fill(1);

/** Data files in a fresh directory, and the names of those that were synced, in turn. `fail` is asked before each sync. */
function dataFiles(t: ExecutionContext, fail: () => boolean = () => false): { data: DataFiles; synced: string[] } {
  const directory = mkdtempSync(join(tmpdir(), 'ashlar-data-'));
  const synced: string[] = [];
  const host = withFiles(createRealHost(), (file) => {
    const sync = file.sync.bind(file);
    file.sync = async () => {
      synced.push(file.path.slice(-1));
      if (fail()) throw new Error('the disk is gone');
      await sync();
    };
    return file;
  });
  const places = new FilePlaces(host, directory, slotBytes);
  const data = new DataFiles(places, new Scratch(host), undefined);
  t.teardown(() => {
    places.close();
    rmSync(directory, { recursive: true });
  });
  return { data, synced };
}

test('a flush syncs the files that the journal points to, and not those that were only brought home', async (t) => {
  const { data, synced } = dataFiles(t);
  await data.write(0, 0, block);
  await data.syncNamed();
  t.deepEqual(synced, []);
  await data.writeNamed(slotsEach, 0, block);
  await data.syncNamed();
  t.deepEqual(synced, ['1']);
  await data.syncNamed();
  t.deepEqual(synced, ['1'], 'nothing came since');
});

test('a checkpoint syncs all files that were written', async (t) => {
  const { data, synced } = dataFiles(t);
  await data.write(0, 0, block);
  await data.writeNamed(slotsEach, 0, block);
  await data.syncNamed();
  await data.write(2 * slotsEach, 0, block);
  await data.sync();
  t.deepEqual(synced.slice(1).sort(), ['0', '1', '2']);
});

test('a flush waits for the sync that took along what it needs, and fails with it', async (t) => {
  let failing = false;
  const { data, synced } = dataFiles(t, () => failing);
  await data.writeNamed(0, 0, block);
  failing = true;
  const checkpoint = data.sync();
  const flush = data.syncNamed();
  await t.throwsAsync(checkpoint, { message: 'the disk is gone' });
  await t.throwsAsync(flush, { message: 'the disk is gone' });
  t.deepEqual(synced, ['0']);
});

test('of two syncs at once both fail where one is told of lost bytes', async (t) => {
  let calls = 0;
  const { data } = dataFiles(t, () => (calls += 1) === 2);
  await data.write(0, 0, block);
  const checkpoint = data.sync();
  await data.writeNamed(0, 1, block);
  const flush = data.syncNamed();
  await t.throwsAsync(checkpoint, { message: 'the disk is gone' });
  await t.throwsAsync(flush, { message: 'the disk is gone' });
});
