import { giveMemoryBack } from '@ashlar/host';
import { SeededRandom } from '@ashlar/testing';
import test from 'ava';
import { InodeCache } from './inode-cache.ts';
import type { Inode } from './inode.ts';

const inodeOf = (number: number, change: Partial<Inode> = {}): Inode => ({
  number,
  generation: 7,
  type: 'regular',
  mode: 0o644,
  links: 1,
  uid: 1000,
  gid: 100,
  sizeBytes: number,
  usedBytes: 0,
  device: { major: 0, minor: 0 },
  accessed: { seconds: 1, nanoseconds: 2 },
  modified: { seconds: 3, nanoseconds: 4 },
  changed: { seconds: 5, nanoseconds: number % 1000 },
  parent: 0,
  entries: 0,
  verifier: undefined,
  text: Buffer.alloc(0),
  regions: [],
  changedTables: [],
  acls: undefined,
  ...change,
});

const fileOf = (number: number): Inode => inodeOf(number, { regions: number % 3 === 0 ? [number * 4096] : [] });

/** How many of the numbers up to one are there, each as it was put. */
function thereUpTo(cache: InodeCache, most: number): number[] {
  return Array.from({ length: most }, (_, at) => at + 1).filter((number) => cache.get(number) !== undefined);
}

test('as many inodes as it was made for are there, as they were put', (t) => {
  const most = 4096;
  const cache = new InodeCache(most);
  for (let number = 1; number <= most; number += 1) cache.set(number, fileOf(number));
  t.is(thereUpTo(cache, most).length, most);
  for (const number of [1, 2, 3, 1500, most])
    t.deepEqual({ ...cache.get(number)!, text: [] }, { ...fileOf(number), text: [] });
});

test('what was used longest ago makes room, however many come', (t) => {
  const cache = new InodeCache(1024);
  for (let number = 1; number <= 6000; number += 1) {
    cache.set(number, fileOf(number));
    cache.get(1 + (number % 5));
  }
  const there = thereUpTo(cache, 6000);
  t.deepEqual(there.slice(0, 5), [1, 2, 3, 4, 5]);
  t.true(there.length <= 1024 + 512, String(there.length));
  t.true(
    there.slice(5).every((number) => number > 6000 - 2048),
    String(there[5]),
  );
});

test('an inode that changed or is gone is never there as it was', (t) => {
  const random = new SeededRandom(5);
  const cache = new InodeCache(1024);
  const sizes = new Map<number, number>();
  for (let turn = 0; turn < 12_000; turn += 1) {
    const number = 1 + random.below(900);
    const sizeBytes = random.below(1000);
    if (random.oneIn(20)) {
      cache.delete(number);
      sizes.delete(number);
    } else if (random.oneIn(2)) {
      const regions = random.oneIn(4) ? Array.from({ length: 30 }, (_, at) => at * 4096) : [];
      cache.set(number, inodeOf(number, { sizeBytes, regions }));
      sizes.set(number, sizeBytes);
    } else {
      const found = cache.get(number);
      if (found !== undefined && found.sizeBytes !== sizes.get(number)) t.fail(`${number} is as it was`);
    }
  }
  t.true(sizes.size > 0);
});

test('an inode that was found stays as it was, whatever takes its place', (t) => {
  const cache = new InodeCache(64);
  const link = (number: number): Inode =>
    inodeOf(number, { type: 'link', text: Buffer.from(`to ${number}`), verifier: Buffer.alloc(8, number) });
  for (let number = 1; number <= 1000; number += 1) cache.set(number, link(number));
  const found = [...Array(1001).keys()].flatMap((number) => cache.get(number) ?? []);
  t.true(found.length >= 64);
  for (let number = 1001; number <= 2000; number += 1) cache.set(number, link(number));
  for (const { number, text, verifier } of found) {
    t.is(Buffer.from(text).toString(), `to ${number}`);
    t.deepEqual(verifier, Buffer.alloc(8, number));
  }
});

test('those with lists or many regions are there as well, by what they take', (t) => {
  const cache = new InodeCache(4096);
  const regions = Array.from({ length: 1000 }, (_, at) => at * 4096);
  const acls = {
    access: Array.from({ length: 40 }, () => ({ tag: 'user', id: 1, permissions: 5 }) as const),
    inherited: [],
  };
  for (let number = 1; number <= 10; number += 1) cache.set(number, inodeOf(number, { regions }));
  for (let number = 11; number <= 20; number += 1) cache.set(number, inodeOf(number, { acls }));
  for (let number = 21; number <= 1500; number += 1) cache.set(number, fileOf(number));
  t.deepEqual(cache.get(1)?.regions, regions);
  t.deepEqual(cache.get(20)?.acls, acls);
  for (let number = 1501; number <= 2500; number += 1) cache.set(number, inodeOf(number, { regions }));
  t.true(thereUpTo(cache, 2500).filter((number) => number > 1500).length <= 512 + 1024 / 16);
});

test('inodes that are packed take little memory', (t) => {
  const most = 16_384;
  const cache = new InodeCache(most);
  const taken = (): number => {
    giveMemoryBack();
    const { arrayBuffers, heapUsed } = process.memoryUsage();
    return arrayBuffers + heapUsed;
  };
  const before = taken();
  for (let number = 1; number <= most; number += 1) cache.set(number, fileOf(number));
  const each = (taken() - before) / most;
  t.true(each < 280, `${Math.round(each)} bytes each`);
  t.not(cache.get(1), undefined);
});
