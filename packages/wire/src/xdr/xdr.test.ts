import { AshlarError } from '@ashlar/core';
import test from 'ava';
import {
  array,
  bigU64,
  bool,
  fixed,
  i32,
  list,
  oneOf,
  opaque,
  optional,
  struct,
  text,
  u32,
  u64,
  type XdrType,
} from './xdr-types.ts';
import { XdrReader } from './xdr-reader.ts';
import { XdrWriter } from './xdr-writer.ts';

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const isInvalid = { instanceOf: AshlarError } as const;

function written<T>(type: XdrType<T>, value: T): Buffer {
  const writer = new XdrWriter(1);
  type.write(writer, value);
  return writer.bytes();
}

function readOf<T>(type: XdrType<T>, hex: string): T {
  const reader = new XdrReader(Buffer.from(hex, 'hex'));
  const value = type.read(reader);
  if (reader.rest > 0) throw new Error(`${reader.rest} bytes are left`);
  return value;
}

test('each type is written as RFC 4506 says, and read again', (t) => {
  const isBoth = <T>(type: XdrType<T>, value: T, hex: string): void => {
    t.is(hexOf(written(type, value)), hex);
    t.deepEqual(readOf(type, hex), value);
  };
  isBoth(u32, 0xffff_fffe, 'fffffffe');
  isBoth(i32, -2, 'fffffffe');
  isBoth(u64, 2 ** 53 - 1, '001fffffffffffff');
  isBoth(bigU64, 0xffff_ffff_ffff_fffen, 'fffffffffffffffe');
  isBoth(bool, true, '00000001');
  isBoth(bool, false, '00000000');
  isBoth(text(10), 'är', '00000003' + 'c3a472' + '00');
  isBoth(text(10), '', '00000000');
  isBoth(optional(u32), undefined, '00000000');
  isBoth(optional(u32), 7, '00000001' + '00000007');
  isBoth(array(u32, 3), [1, 2], '00000002' + '00000001' + '00000002');
  isBoth(list(u32, 2), [1, 2], '00000001' + '00000001' + '00000001' + '00000002' + '00000000');
  isBoth(oneOf('colour', 1, 3), 3, '00000003');
  isBoth(struct({ a: u32, b: text(4) }), { a: 1, b: 'x' }, '00000001' + '00000001' + '78000000');
});

test('opaque data of each length is padded to four bytes', (t) => {
  for (let length = 0; length <= 9; length += 1) {
    const bytes = Buffer.alloc(length, 0xee);
    const padding = '00'.repeat(-length & 3);
    t.is(hexOf(written(fixed(length), bytes)), bytes.toString('hex') + padding);
    const withLength = `0000000${length}${bytes.toString('hex')}${padding}`;
    t.is(hexOf(written(opaque(9), bytes)), withLength);
    t.deepEqual(readOf(opaque(9), withLength), bytes);
  }
});

test('memory that held another message pads with zeros', (t) => {
  const writer = new XdrWriter();
  writer.fixed(Buffer.alloc(64, 0xff));
  writer.reset().opaque(Buffer.from('a')).u32(1);
  t.is(hexOf(writer.bytes()), '00000001' + '61000000' + '00000001');
});

test('a word that was written may be written over, and what is behind it taken back', (t) => {
  const writer = new XdrWriter();
  writer.u32(1).u32(2).u32(3);
  writer.patch(4, 9);
  writer.truncate(8);
  t.is(hexOf(writer.bytes()), '00000001' + '00000009');
});

test('what ends too early, is too long or is padded with something else is refused', (t) => {
  for (const [type, hex] of [
    [u32, '000000'],
    [u64, '00000000000000'],
    [bool, '00000002'],
    [opaque(8), '00000009' + '00'.repeat(12)],
    [opaque(8), '00000004' + '0000'],
    [opaque(8), 'ffffffff'],
    [opaque(8), '00000001' + '61000001'],
    [fixed(5), '6161616161' + '0000'],
    [text(2), '00000003' + '61616100'],
    [array(u32, 2), '00000003' + '00'.repeat(12)],
    [array(u32, 2 ** 32), 'ffffffff' + '00000000'],
    [list(u32, 1), '00000001' + '00000001' + '00000001' + '00000001' + '00000000'],
    [list(u32, 9), '00000001' + '00000001'],
    [oneOf('colour', 1, 3), '00000004'],
    [oneOf('colour', 1, 3), '00000000'],
  ] as const) {
    t.is(t.throws(() => readOf(type as XdrType<unknown>, hex), isInvalid)?.kind, 'invalid', hex);
  }
});

test('one reader goes on with message after message, and does not leave it', (t) => {
  const bytes = Buffer.from('000000010000000200000003', 'hex');
  const reader = new XdrReader();
  reader.reset(bytes, 4, 8);
  t.is(reader.u32(), 2);
  t.is(reader.rest, 0);
  t.is(reader.at, 8);
  t.throws(() => reader.u32(), isInvalid);
});
