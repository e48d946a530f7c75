import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KiB, MiB } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import test, { type ExecutionContext } from 'ava';
import { blockSize, checksumOf } from '../checksum.ts';
import { readEntry, writeEntry } from '../format/map-leaf.ts';
import { openPool } from '../pool.ts';
import { keptKey, type ObjectRecord } from '../records/keys.ts';
import { bytes, changeRecord, check, flip, kindsOf, patch, slotOf } from './damaging.ts';

const chunkBytes = 256 * KiB;
const options = { journalBytes: 32 * MiB, overlayBytes: 8 * MiB };

function directory(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'ashlar-check-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

/** An object with a snapshot behind its first writes: chunk 0 is the snapshot's too, chunk 1 was written again. */
async function withSnapshot(t: ExecutionContext): Promise<{ path: string; store: number; object: number }> {
  const path = join(directory(t), 'pool');
  const pool = await openPool(createRealHost(), path, options);
  const store = await pool.createStore();
  const opened = await pool.openStore(store);
  const object = await opened.create(MiB, 'off');
  await opened.write(object, 0, bytes(2 * chunkBytes, 1), false);
  await opened.snapshot();
  await opened.write(object, chunkBytes, bytes(8192, 2), false);
  await pool.close();
  return { path, store, object };
}

test('what a snapshot shares is read once, and damage is told of everybody who has it', async (t) => {
  const { path, store, object } = await withSnapshot(t);
  const whole = await check(path);
  t.deepEqual(whole.problems, []);
  const read = whole.read.find((each) => each.object === object);
  t.is(read?.readBytes, 2 * chunkBytes + 8192);
  const slot = await slotOf({ path, store }, object, 0);
  flip(join(path, 'data/000000'), slot * chunkBytes + 4096 * 3);
  const { damage, snapshotDamage } = await check(path);
  const runs = [{ offset: 3 * 4096, length: 4096 }];
  t.deepEqual(damage, [{ store, object, damage: runs }]);
  t.deepEqual(snapshotDamage, [{ store, object, damage: runs, snapshot: 1 }]);
});

test('a map that has more in a slot than the snapshot in front of it is told', async (t) => {
  const { path, store, object } = await withSnapshot(t);
  await changeRecord<ObjectRecord>(path, keptKey(store, object, 1), (record) => {
    let checksum = 0;
    patch(join(path, 'pages'), record.root!.page * blockSize, blockSize, (leaf) => {
      const view = new DataView(leaf.buffer);
      const entry = readEntry(view, 1);
      entry.pieces[0]!.low = 1;
      writeEntry(view, 1, entry);
      checksum = checksumOf(leaf);
    });
    return { ...record, root: { ...record.root!, checksum } };
  });
  const report = await check(path);
  t.true(kindsOf(report).includes('entry-wrong'));
  t.true(report.problems.some(({ sentence }) => /chunk 1 of .* has more in slot \d+ than the snapshot/.test(sentence)));
});
