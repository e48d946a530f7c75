import { KiB } from '@ashlar/core';
import test from 'ava';
import { Damage } from './damage.ts';
import type { JournalRecord } from './format/journal-frame.ts';

const store = 2;
const object = 7;
let sequence = 0;

const write = (block: number): JournalRecord => ({
  kind: 'data',
  store,
  sequence: (sequence += 1),
  object,
  offset: block * 4 * KiB,
  firstBlock: 0,
  checksums: new Uint32Array(1),
});

const snapshot = (id: number, kind: 'snapshot' | 'dropSnapshot' = 'snapshot'): JournalRecord => ({
  kind,
  store,
  sequence: (sequence += 1),
  snapshot: id,
});

const runs = [{ offset: 12 * KiB, length: 4 * KiB }];

test('what a later record writes again is damaged no more', (t) => {
  const damage = new Damage(64 * KiB);
  damage.add(write(3), [0]);
  t.deepEqual(damage.found(), [{ store, object, damage: runs }]);
  damage.add(write(3), []);
  t.true(damage.isEmpty);
});

test('a snapshot in between keeps it, until it is deleted', (t) => {
  const damage = new Damage(64 * KiB);
  damage.add(write(3), [0]);
  damage.add(snapshot(1), []);
  damage.add(write(3), []);
  damage.add(snapshot(2), []);
  t.deepEqual(damage.found(), []);
  t.deepEqual(damage.foundInSnapshots(), [{ store, object, snapshot: 1, damage: runs }]);
  t.false(damage.isEmpty);
  damage.add(snapshot(2, 'dropSnapshot'), []);
  t.false(damage.isEmpty);
  damage.add(snapshot(1, 'dropSnapshot'), []);
  t.true(damage.isEmpty);
});

test('a snapshot of another volume keeps nothing of it', (t) => {
  const damage = new Damage(64 * KiB);
  damage.add(write(3), [0]);
  damage.add({ ...snapshot(1), store: 22 } as JournalRecord, []);
  damage.add(write(3), []);
  t.true(damage.isEmpty);
});
