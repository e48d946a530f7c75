import { AshlarError } from '@ashlar/core';
import test from 'ava';
import { fragmentHeadAt, RecordAssembler, writeRecordHead } from './record.ts';

const isInvalid = { instanceOf: AshlarError } as const;

const headOf = (length: number, isLast: boolean): Buffer => {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(((isLast ? 0x8000_0000 : 0) | length) >>> 0);
  return head;
};

/** A record cut into fragments of these lengths. */
function cut(record: Buffer, ...lengths: readonly number[]): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (const [index, length] of lengths.entries()) {
    parts.push(headOf(length, index === lengths.length - 1), record.subarray(at, at + length));
    at += length;
  }
  return Buffer.concat(parts);
}

/** Records out of bytes that come so many at once. */
function assembled(assembler: RecordAssembler, bytes: Buffer, atOnce: number): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const place = assembler.next();
    const count = Math.min(place.length, atOnce, bytes.length - at);
    bytes.copy(place.bytes, place.at, at, at + count);
    at += count;
    const record = assembler.came(count);
    if (record !== undefined) records.push(Buffer.from(record));
  }
  return records;
}

const bytesOf = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, at) => at % 251));

test('the head of a fragment is its length and whether it is the last one', (t) => {
  const bytes = Buffer.alloc(8);
  writeRecordHead(bytes, 4, 40);
  t.is(bytes.toString('hex'), '00000000' + '80000028');
  t.deepEqual(fragmentHeadAt(bytes, 4), { length: 40, isLast: true });
  t.deepEqual(fragmentHeadAt(headOf(0x7fff_ffff, false), 0), { length: 0x7fff_ffff, isLast: false });
});

test('records are put together however they are cut, and however their bytes come', (t) => {
  const [one, two] = [bytesOf(1000), bytesOf(77)];
  const bytes = Buffer.concat([
    cut(one, 1000),
    cut(two, 1, 0, 3, 0, 73),
    cut(one, ...Array.from({ length: 500 }, () => 2)),
    cut(two, 77, 0),
  ]);
  for (const atOnce of [1, 3, 4, 5, 64, bytes.length]) {
    t.deepEqual(assembled(new RecordAssembler(1000), bytes, atOnce), [one, two, one, two], `${atOnce} at once`);
  }
});

test('a large record takes memory as it comes', (t) => {
  const assembler = new RecordAssembler(2 ** 30);
  const record = bytesOf(3_000_001);
  t.deepEqual(assembled(assembler, cut(record, 3_000_001), 65_536), [record]);
  t.deepEqual(assembled(assembler, headOf(2 ** 30, true), 4), []);
  t.true(assembler.next().length <= 65_536, 'what is announced is not believed');
});

test('a record that was given stays as it is', (t) => {
  const assembler = new RecordAssembler(100);
  const [first] = assembled(assembler, cut(Buffer.alloc(10, 1), 10), 100);
  assembled(assembler, cut(Buffer.alloc(10, 2), 10), 100);
  t.deepEqual(first, Buffer.alloc(10, 1));
  t.true(assembler.isEmpty);
});

test('a record beyond its bound is refused before it comes, in one fragment or in many', (t) => {
  t.throws(() => assembled(new RecordAssembler(100), headOf(101, true), 4), isInvalid);
  t.throws(() => assembled(new RecordAssembler(100), cut(bytesOf(101), 60, 41), 8), isInvalid);
  t.throws(() => assembled(new RecordAssembler(100), headOf(0x7fff_ffff, false), 4), isInvalid);
});

test('a record that is cut into nothing does not go on for ever', (t) => {
  const nothing = Buffer.concat(Array.from({ length: 5000 }, () => headOf(0, false)));
  t.throws(() => assembled(new RecordAssembler(100), nothing, 4), isInvalid);
});

test('a record in which nothing is is one', (t) => {
  t.deepEqual(assembled(new RecordAssembler(100), headOf(0, true), 1), [Buffer.alloc(0)]);
});
