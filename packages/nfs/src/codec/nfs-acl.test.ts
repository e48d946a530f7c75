import { AshlarError } from '@ashlar/core';
import { XdrReader, XdrWriter, type XdrType } from '@ashlar/wire';
import test from 'ava';
import { aclBit, nfsAclProcedures, type NfsAclEntry } from './nfs-acl.ts';

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const words = (...values: readonly number[]): string =>
  values.map((value) => value.toString(16).padStart(8, '0')).join('');

function written<T>(type: XdrType<T>, value: T): string {
  const writer = new XdrWriter();
  type.write(writer, value);
  return hexOf(writer.bytes());
}

const readOf = <T>(type: XdrType<T>, hex: string): T => type.read(new XdrReader(Buffer.from(hex, 'hex')));

const { get, set } = nfsAclProcedures;
const handle = Buffer.from('0011223344556677', 'hex');
const handleHex = words(8) + hexOf(handle);
const entry = (type: number, id: number, permissions: number): NfsAclEntry => ({ type, id, permissions });
const acls = {
  accessCount: 4,
  access: [entry(1, 1000, 6), entry(4, 100, 4), entry(16, 0, 4), entry(32, 0, 0)],
  inheritedCount: 1,
  inherited: [entry(0x1001, 1000, 7)],
};
const aclsHex = words(4, 4, 1, 1000, 6, 4, 100, 4, 16, 0, 4, 32, 0, 0) + words(1, 1, 0x1001, 1000, 7);

test('lists are asked for by a mask, and are told with it, each behind its count', (t) => {
  const mask = aclBit.access | aclBit.accessCount | aclBit.inherited | aclBit.inheritedCount;
  t.is(written(get.args, { handle, mask }), handleHex + words(15));
  t.deepEqual(readOf(get.args, handleHex + words(15)), { handle, mask });
  const result = { after: undefined, mask, acls };
  t.is(written(get.ok, result), words(0, 15) + aclsHex);
  t.deepEqual(readOf(get.ok, words(0, 15) + aclsHex), result);
  t.is(written(get.fail, { after: undefined }), words(0));
});

test('counts are told without entries', (t) => {
  const counts = { ...acls, access: [], inherited: [] };
  t.is(written(get.ok, { after: undefined, mask: 10, acls: counts }), words(0, 10, 4, 0, 1, 0));
});

test('lists are set by a mask as well, and what is answered is attributes', (t) => {
  t.deepEqual(readOf(set.args, handleHex + words(5) + aclsHex), { handle, mask: 5, acls });
  t.is(written(set.args, { handle, mask: 5, acls }), handleHex + words(5) + aclsHex);
  t.is(written(set.ok, { after: undefined }), words(0));
});

test('a list of more entries than there may be is refused by its number alone', (t) => {
  for (const hex of [words(1, 1025, 1025), words(1, 0, 0, 0, 0xffff_ffff)]) {
    t.is(t.throws(() => readOf(set.args, handleHex + hex), { instanceOf: AshlarError })?.kind, 'invalid');
  }
});
