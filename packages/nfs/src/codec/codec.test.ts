import { AshlarError } from '@ashlar/core';
import { XdrReader, XdrWriter, type XdrType } from '@ashlar/wire';
import test from 'ava';
import { accessBit, createMode, fileType, mountStatus, stability } from './constants.ts';
import { mount, mountProcedures } from './mount.ts';
import { procedures, type ArgsOf, type OkOf } from './procedures.ts';
import { nothingSet, type Attributes } from './types.ts';

const isInvalid = { instanceOf: AshlarError } as const;
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const word = (value: number): string => value.toString(16).padStart(8, '0');
const hyper = (value: number | bigint): string => value.toString(16).padStart(16, '0');
const name = (value: string): string => {
  const bytes = Buffer.from(value);
  return word(bytes.length) + bytes.toString('hex') + '00'.repeat(-bytes.length & 3);
};

function written<T>(type: XdrType<T>, value: T): string {
  const writer = new XdrWriter();
  type.write(writer, value);
  return hexOf(writer.bytes());
}

function readOf<T>(type: XdrType<T>, hex: string): T {
  const reader = new XdrReader(Buffer.from(hex, 'hex'));
  const value = type.read(reader);
  if (reader.rest > 0) throw new Error(`${reader.rest} bytes are left`);
  return value;
}

const handle = Buffer.from('00112233445566778899', 'hex');
const handleHex = word(10) + handle.toString('hex') + '0000';
const verifier = Buffer.from('0102030405060708', 'hex');

const attributes: Attributes = {
  type: fileType.regular,
  mode: 0o644,
  links: 2,
  uid: 1000,
  gid: 100,
  sizeBytes: 2 ** 40,
  usedBytes: 4096,
  device: { major: 0, minor: 0 },
  fileSystem: 0xffff_ffff_ffff_fff0n,
  fileId: 77n,
  accessed: { seconds: 1, nanoseconds: 2 },
  modified: { seconds: 3, nanoseconds: 4 },
  changed: { seconds: 5, nanoseconds: 999_999_999 },
};
const attributesHex = [
  ...[1, 0o644, 2, 1000, 100].map(word),
  hyper(2 ** 40),
  hyper(4096),
  ...[0, 0].map(word),
  hyper(0xffff_ffff_ffff_fff0n),
  hyper(77n),
  ...[1, 2, 3, 4, 5, 999_999_999].map(word),
].join('');
test('attributes are 84 bytes, in the order of fattr3', (t) => {
  t.is(attributesHex.length / 2, 84);
  t.is(written(procedures.getAttributes.ok, { attributes }), attributesHex);
  t.deepEqual(readOf(procedures.getAttributes.ok, attributesHex), { attributes });
});

test('what is set is told apart from what stays, and times of the server from given ones', (t) => {
  const args: ArgsOf<typeof procedures.setAttributes> = {
    handle,
    attributes: { ...nothingSet, mode: 0o600, sizeBytes: 5, accessed: 'now', modified: { seconds: 8, nanoseconds: 9 } },
    guard: { seconds: 6, nanoseconds: 7 },
  };
  const hex =
    handleHex +
    word(1) +
    word(0o600) +
    word(0) +
    word(0) +
    word(1) +
    hyper(5) +
    word(1) +
    word(2) +
    word(8) +
    word(9) +
    word(1) +
    word(6) +
    word(7);
  t.is(written(procedures.setAttributes.args, args), hex);
  t.deepEqual(readOf(procedures.setAttributes.args, hex), args);
  const nothing = handleHex + word(0).repeat(7);
  t.deepEqual(readOf(procedures.setAttributes.args, nothing), { handle, attributes: nothingSet, guard: undefined });
  t.throws(() => readOf(procedures.setAttributes.args, handleHex + word(0).repeat(4) + word(3)), isInvalid);
});

test('a file is made in one of three ways, and an exclusive one has a verifier in place of attributes', (t) => {
  const head = handleHex + name('ä b');
  const { args } = procedures.create;
  const inDirectory = { directory: handle, name: Buffer.from('ä b') };
  t.deepEqual(readOf(args, head + word(createMode.exclusive) + hexOf(verifier)), {
    ...inDirectory,
    how: { mode: 'exclusive', verifier },
  });
  t.is(
    written(args, { ...inDirectory, how: { mode: 'guarded', attributes: nothingSet } }),
    head + word(createMode.guarded) + word(0).repeat(6),
  );
  t.throws(() => readOf(args, head + word(3)), isInvalid);
});

test('a node has what its kind has: numbers of a device, attributes, or nothing', (t) => {
  const { args } = procedures.makeNode;
  const head = handleHex + name('n');
  const device = { type: fileType.block, attributes: nothingSet, device: { major: 8, minor: 1 } };
  const fifo = { type: fileType.fifo, attributes: nothingSet, device: undefined };
  const regular = { type: fileType.regular, attributes: undefined, device: undefined };
  for (const [node, hex] of [
    [device, word(3) + word(0).repeat(6) + word(8) + word(1)],
    [fifo, word(7) + word(0).repeat(6)],
    [regular, word(1)],
  ] as const) {
    const value = { directory: handle, name: Buffer.from('n'), node };
    t.is(written(args, value), head + hex);
    t.deepEqual(readOf(args, head + hex), value);
  }
  t.throws(() => readOf(args, head + word(8)), isInvalid);
});

test('a write says how durable it is to be, and is told how durable it is', (t) => {
  const data = Buffer.from('hello');
  const args = { handle, offset: 2 ** 33, count: 5, stability: stability.file, data };
  const hex = handleHex + hyper(2 ** 33) + word(5) + word(2) + name('hello');
  t.is(written(procedures.write.args, args), hex);
  t.deepEqual(readOf(procedures.write.args, hex), args);
  const change = {
    before: { sizeBytes: 1, modified: { seconds: 2, nanoseconds: 3 }, changed: { seconds: 4, nanoseconds: 5 } },
    after: attributes,
  };
  const result: OkOf<typeof procedures.write> = { change, count: 5, committed: stability.unstable, verifier };
  const resultHex =
    word(1) +
    hyper(1) +
    [2, 3, 4, 5].map(word).join('') +
    word(1) +
    attributesHex +
    word(5) +
    word(0) +
    hexOf(verifier);
  t.is(written(procedures.write.ok, result), resultHex);
  t.deepEqual(readOf(procedures.write.ok, resultHex), result);
  t.throws(() => readOf(procedures.write.args, handleHex + hyper(0) + word(0) + word(3) + word(0)), isInvalid);
});

test('a listing is a list of entries, with what each has where that is asked for', (t) => {
  const one = { fileId: 5n, name: Buffer.from('a'), cookie: 0xffff_ffff_ffffn };
  const plain = { directoryAfter: undefined, verifier, entries: [one], isEnd: true };
  const plainHex =
    word(0) + hexOf(verifier) + word(1) + hyper(5) + name('a') + hyper(0xffff_ffff_ffffn) + word(0) + word(1);
  t.is(written(procedures.readDirectory.ok, plain), plainHex);
  t.deepEqual(readOf(procedures.readDirectory.ok, plainHex), plain);
  const plus = { ...plain, entries: [{ ...one, attributes, handle }], isEnd: false };
  const plusHex =
    word(0) +
    hexOf(verifier) +
    (word(1) + hyper(5) + name('a') + hyper(0xffff_ffff_ffffn) + word(1) + attributesHex + word(1) + handleHex) +
    word(0) +
    word(0);
  t.is(written(procedures.readDirectoryPlus.ok, plus), plusHex);
  t.deepEqual(readOf(procedures.readDirectoryPlus.ok, plusHex), plus);
});

test('procedures have the numbers of their places, as RFC 1813 has them', (t) => {
  const all = Object.values(procedures);
  t.deepEqual(
    all.map(({ number }) => number),
    all.map((_, at) => at),
  );
  t.is(all.length, 22);
  t.is(procedures.commit.name, 'COMMIT');
});

test('access is asked for and given in the same bits', (t) => {
  const access = accessBit.read | accessBit.execute;
  t.is(written(procedures.access.args, { handle, access }), handleHex + word(33));
  t.is(written(procedures.access.ok, { after: undefined, access }), word(0) + word(33));
});

test('handles, names and data beyond their bounds are refused', (t) => {
  const { lookup, write } = procedures;
  t.throws(() => readOf(lookup.args, word(65) + '00'.repeat(68) + name('a')), isInvalid);
  t.throws(() => readOf(lookup.args, handleHex + word(4097) + '61'.repeat(4100)), isInvalid);
  t.throws(() => readOf(write.args, handleHex + hyper(0) + word(0) + word(0) + word(2 ** 20 + 1)), isInvalid);
});

test('a mount gives a handle and the credentials that are taken, and exports are lists of lists', (t) => {
  t.is(written(mount.args, { path: Buffer.from('/data') }), name('/data'));
  t.is(written(mount.ok3, { handle, flavors: [1, 0] }), handleHex + word(2) + word(1) + word(0));
  t.is(written(mount.ok1, { handle: Buffer.alloc(32, 1) }), '01'.repeat(32));
  const exports = [
    { path: Buffer.from('/a'), groups: [Buffer.from('10.0.0.0/8'), Buffer.from('vm')] },
    { path: Buffer.from('/b'), groups: [] },
  ];
  const hex =
    word(1) +
    name('/a') +
    word(1) +
    name('10.0.0.0/8') +
    word(1) +
    name('vm') +
    word(0) +
    word(1) +
    name('/b') +
    word(0) +
    word(0);
  t.is(written(mountProcedures.exports.result, exports), hex);
  t.deepEqual(readOf(mountProcedures.exports.result, hex), exports);
  t.is(mountStatus.access, 13);
});
