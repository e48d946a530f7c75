import { AshlarError } from '@ashlar/core';
import { SeededRandom } from '@ashlar/testing';
import test from 'ava';
import {
  cookieOf,
  decodeEntries,
  encodeEntries,
  endKey,
  entryKey,
  entryNamed,
  hashIn,
  nameHash,
  placeOf,
  withEntry,
  withoutEntry,
  type Entry,
  type HashKey,
} from './entries.ts';

const key: HashKey = [0x1234_5678, 0x9abc_def0];
const name = (text: string): Buffer => Buffer.from(text);

test('a hash of a name has 54 bits, and is another one with another key', (t) => {
  const seen = new Set<string>();
  for (let count = 0; count < 20_000; count += 1) {
    const { high, low } = nameHash(name(`file-${count}`), key);
    t.true(high < 2 ** 22 && low < 2 ** 32 && high + low > 0);
    seen.add(`${high} ${low}`);
  }
  t.is(seen.size, 20_000);
  for (const text of ['', 'a', 'ab', 'abc', 'abcd', 'ä'.repeat(127)]) {
    t.notDeepEqual(nameHash(name(text), key), nameHash(name(text), [key[1], key[0]]), text);
    t.deepEqual(nameHash(name(text), key), nameHash(name(text), key));
  }
  t.notDeepEqual(nameHash(name('a'), key), nameHash(name('a\0'), key));
});

test('records of a directory lie in the order of their cookies, and those of the next one behind them', (t) => {
  const random = new SeededRandom(5);
  const hashes = Array.from({ length: 500 }, () => ({
    high: random.below(2 ** 22),
    low: 1 + random.below(2 ** 32 - 1),
  }));
  const byKey = hashes.toSorted((a, b) => Buffer.compare(entryKey(7, a), entryKey(7, b)));
  const byCookie = hashes.toSorted((a, b) => (cookieOf(a, 0) < cookieOf(b, 0) ? -1 : 1));
  t.deepEqual(byKey, byCookie);
  t.true(Buffer.compare(entryKey(7, { high: 2 ** 22 - 1, low: 2 ** 32 - 1 }), endKey(7)) < 0);
  t.true(Buffer.compare(endKey(7), entryKey(8, { high: 0, low: 1 })) < 0);
});

test('a cookie says where its entry is, and is a positive number of 63 bits', (t) => {
  for (const hash of [
    { high: 0, low: 1 },
    { high: 2 ** 22 - 1, low: 2 ** 32 - 1 },
  ]) {
    for (const index of [0, 200]) {
      const cookie = cookieOf(hash, index);
      t.true(cookie < 2n ** 62n && cookie >= 256n);
      t.deepEqual(placeOf(cookie), { hash, index });
    }
    t.deepEqual(hashIn(entryKey(2 ** 47, hash)), hash);
  }
  for (const cookie of [0n, 2n, 255n, 2n ** 62n, 2n ** 64n - 1n]) t.is(placeOf(cookie), undefined);
});

test('names of one hash are told apart, and keep their cookies whoever comes and goes', (t) => {
  let entries: Entry[] = [];
  for (const [at, text] of ['a', 'b', 'c'].entries()) {
    entries = withEntry(entries, { name: name(text), inode: at + 10, type: 'regular' });
  }
  t.deepEqual(decodeEntries(encodeEntries(entries)), entries);
  t.deepEqual(
    entries.map(({ index }) => index),
    [0, 1, 2],
  );
  entries = withoutEntry(entries, entryNamed(entries, name('b'))!);
  entries = withEntry(entries, { name: name('d'), inode: 2 ** 48 - 1, type: 'directory' });
  t.deepEqual(
    entries.map((entry) => `${entry.name.toString()}${entry.index}`),
    ['a0', 'd1', 'c2'],
  );
  t.deepEqual(decodeEntries(encodeEntries(entries)), entries);
  t.is(entryNamed(entries, name('b')), undefined);
});

test('more names of one hash than a record holds are refused', (t) => {
  let entries: Entry[] = [];
  const longest = (at: number): Buffer => Buffer.alloc(255, `${at} `);
  const error = t.throws(
    () => {
      for (let at = 0; ; at += 1) entries = withEntry(entries, { name: longest(at), inode: at, type: 'regular' });
    },
    { instanceOf: AshlarError },
  );
  t.is(error?.kind, 'no-space');
  t.true(entries.length > 100 && encodeEntries(entries).length < 60 * 1024);
});

test('a record that is damaged is corrupt', (t) => {
  const record = encodeEntries(withEntry([], { name: name('file'), inode: 1, type: 'regular' }));
  for (const bytes of [
    record.subarray(0, 5),
    record.subarray(0, record.length - 1),
    Buffer.concat([record, Buffer.of(9)]),
  ]) {
    t.is(t.throws(() => decodeEntries(bytes), { instanceOf: AshlarError })?.kind, 'corrupt');
  }
  const odd = Buffer.from(record);
  odd[1] = 77;
  t.is(t.throws(() => decodeEntries(odd), { instanceOf: AshlarError })?.kind, 'corrupt');
});
