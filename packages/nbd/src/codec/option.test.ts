import { AshlarError } from '@ashlar/core';
import { ByteWriter } from '@ashlar/wire';
import test from 'ava';
import { info, option, optionReply } from './constants.ts';
import {
  decodeContextRequest,
  decodeInfoRequest,
  decodeOptionHead,
  decodeOptionReplyHead,
  encodeContextRequest,
  encodeGreeting,
  encodeInfoRequest,
  encodeOption,
  encodeOptionReply,
  encodeServerReply,
} from './option.ts';

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const isInvalid = { instanceOf: AshlarError } as const;

test('the greeting is NBDMAGIC, IHAVEOPT and the flags', (t) => {
  t.is(Buffer.from(encodeGreeting(3)).toString('latin1'), 'NBDMAGICIHAVEOPT\0\x03');
});

test('an option is written and its head read again', (t) => {
  const bytes = encodeOption(option.go, new Uint8Array([1, 2, 3]));
  t.is(hexOf(bytes), '49484156454f5054' + '00000007' + '00000003' + '010203');
  t.deepEqual(decodeOptionHead(bytes), { option: option.go, length: 3 });
});

test('an option with another magic is refused', (t) => {
  const bytes = encodeOption(option.list, new Uint8Array(0));
  bytes[3] = 0;
  t.is(t.throws(() => decodeOptionHead(bytes), isInvalid)?.kind, 'invalid');
});

test('a reply to an option is written and its head read again', (t) => {
  const bytes = encodeOptionReply(option.list, optionReply.unknown, new Uint8Array(2));
  t.is(hexOf(bytes), '0003e889045565a9' + '00000003' + '80000006' + '00000002' + '0000');
  t.deepEqual(decodeOptionReplyHead(bytes), { option: option.list, type: optionReply.unknown, length: 2 });
});

test('NBD_OPT_GO names an export and what is asked about it', (t) => {
  const bytes = encodeInfoRequest('disk', [info.blockSize, info.name]);
  t.is(hexOf(bytes), '00000004' + '6469736b' + '0002' + '0003' + '0001');
  t.deepEqual(decodeInfoRequest(bytes), { name: 'disk', wanted: [info.blockSize, info.name] });
});

test('the name of NBD_OPT_GO may be in any script', (t) => {
  t.is(decodeInfoRequest(encodeInfoRequest('диск 漢', [])).name, 'диск 漢');
});

test('NBD_OPT_GO whose lengths do not agree is refused', (t) => {
  const good = encodeInfoRequest('disk', [info.name]);
  for (const bytes of [
    good.subarray(0, good.length - 1),
    new Uint8Array([...good, 0]),
    new ByteWriter().u32(5).utf8('disk').finish(),
    new ByteWriter().u32(0xffffffff).utf8('disk').u16(0).finish(),
    new ByteWriter().u32(4).utf8('disk').u16(0xffff).finish(),
    new Uint8Array(0),
  ]) {
    t.is(t.throws(() => decodeInfoRequest(bytes), isInvalid)?.kind, 'invalid');
  }
});

test('a name of more than 4,096 bytes is refused', (t) => {
  t.notThrows(() => decodeInfoRequest(encodeInfoRequest('n'.repeat(4096), [])));
  t.throws(() => decodeInfoRequest(encodeInfoRequest('n'.repeat(4097), [])), isInvalid);
});

test('a query of contexts has a name and queries', (t) => {
  const bytes = encodeContextRequest('disk', ['base:allocation', 'qemu:']);
  t.deepEqual(decodeContextRequest(bytes), { name: 'disk', queries: ['base:allocation', 'qemu:'] });
});

test('a query of contexts that announces more queries than it has is refused before any memory is taken', (t) => {
  const bytes = new ByteWriter().u32(0).u32(0xffffffff).finish();
  t.is(t.throws(() => decodeContextRequest(bytes), isInvalid)?.kind, 'invalid');
  t.throws(() => decodeContextRequest(new ByteWriter().u32(0).u32(1).u32(9).utf8('base:').finish()), isInvalid);
});

test('a description follows the name of an export in a list', (t) => {
  t.is(hexOf(encodeServerReply('ab', 'c')), '00000002' + '6162' + '63');
});
