import { AshlarError } from '@ashlar/core';
import test from 'ava';
import { XdrReader } from '../xdr/xdr-reader.ts';
import { XdrWriter } from '../xdr/xdr-writer.ts';
import { authSys } from './auth-sys.ts';
import { CallHead, writeCall } from './call.ts';
import { authFlavor, authState } from './constants.ts';
import { readReply, replyHeadBytes, writeAccepted, writeRejected, type Rejection } from './reply.ts';

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const words = (...values: number[]): Buffer => {
  const writer = new XdrWriter();
  for (const value of values) writer.u32(value);
  return Buffer.from(writer.bytes());
};
const readerOf = (...parts: Uint8Array[]): XdrReader => new XdrReader(Buffer.concat(parts));
const isInvalid = { instanceOf: AshlarError } as const;

const user = { stamp: 5, machine: 'vm', uid: 1000, gid: 100, gids: [4, 24] };

function bodyOf(value: typeof user): Buffer {
  const writer = new XdrWriter();
  authSys.write(writer, value);
  return Buffer.from(writer.bytes());
}

test('a call is its numbers, a credential and an empty verifier, and is read again up to its arguments', (t) => {
  const writer = new XdrWriter();
  const sys = bodyOf(user);
  writeCall(writer, { xid: 7, program: 100_003, version: 3, procedure: 6, sys });
  writer.u32(0xabcd);
  const head = '00000007' + '00000000' + '00000002' + '000186a3' + '00000003' + '00000006';
  const credential =
    '00000001' +
    '00000020' +
    '00000005' +
    '00000002' +
    '766d0000' +
    '000003e8' +
    '00000064' +
    '00000002' +
    '00000004' +
    '00000018';
  t.is(hexOf(writer.bytes()), head + credential + '0000000000000000' + '0000abcd');
  const reader = new XdrReader(writer.bytes());
  const call = new CallHead();
  t.is(call.read(reader), undefined);
  t.deepEqual([call.xid, call.program, call.version, call.procedure], [7, 100_003, 3, 6]);
  t.is(call.flavor, authFlavor.sys);
  t.deepEqual(authSys.read(new XdrReader(call.credential)), user);
  t.is(reader.u32(), 0xabcd);
});

test('a caller may say nothing of who it is', (t) => {
  const writer = new XdrWriter();
  writeCall(writer, { xid: 1, program: 100_000, version: 2, procedure: 0 });
  const call = new CallHead();
  t.is(call.read(new XdrReader(writer.bytes())), undefined);
  t.is(call.flavor, authFlavor.none);
  t.is(call.credential.length, 0);
});

test('a verifier of any flavor goes with a call, as long as it may be', (t) => {
  const call = new CallHead();
  const verifier = Buffer.concat([words(6, 400), Buffer.alloc(400, 1)]);
  t.is(call.read(readerOf(words(1, 0, 2, 100_003, 3, 0, 0, 0), verifier)), undefined);
});

test('a call that cannot be accepted says how it is rejected, and which one it is', (t) => {
  const call = new CallHead();
  t.deepEqual(call.read(readerOf(words(9, 0, 3))), { kind: 'rpc-mismatch', lowest: 2, highest: 2 });
  t.is(call.xid, 9);
  const tooLong = readerOf(words(10, 0, 2, 100_003, 3, 0, 1, 401), Buffer.alloc(404));
  t.deepEqual(call.read(tooLong), { kind: 'auth', why: authState.badCredential });
  const verifier = readerOf(words(11, 0, 2, 100_003, 3, 0, 0, 0, 0, 404), Buffer.alloc(404));
  t.deepEqual(call.read(verifier), { kind: 'auth', why: authState.badVerifier });
  t.is(call.xid, 11);
});

test('what is no call, or ends within its head, is refused', (t) => {
  const call = new CallHead();
  for (const bytes of [
    words(1, 1, 2),
    words(1, 2, 2),
    words(1),
    words(1, 0, 2, 100_003, 3, 0, 1, 8),
    Buffer.alloc(3),
  ]) {
    t.is(t.throws(() => call.read(readerOf(bytes)), isInvalid)?.kind, 'invalid');
  }
});

test('a credential of AUTH_SYS has at most 16 groups and a name of 255 bytes', (t) => {
  const good = { ...user, machine: 'm'.repeat(255), gids: Array.from({ length: 16 }, (_, at) => at) };
  t.deepEqual(authSys.read(new XdrReader(bodyOf(good))), good);
  const groups = readerOf(words(0, 0, 1, 1, 17), Buffer.alloc(17 * 4));
  t.throws(() => authSys.read(groups), isInvalid);
  t.throws(() => authSys.read(readerOf(words(0, 256), Buffer.alloc(300))), isInvalid);
});

test('a reply with results begins with its xid and that it was accepted', (t) => {
  const writer = new XdrWriter();
  writeAccepted(writer, 7);
  t.is(writer.length, replyHeadBytes);
  t.is(hexOf(writer.bytes()), '00000007' + '00000001' + '00000000'.repeat(4));
  t.deepEqual(readReply(new XdrReader(writer.bytes())), { xid: 7, rejection: undefined });
});

const rejections: readonly (readonly [Rejection, string])[] = [
  [{ kind: 'rpc-mismatch', lowest: 2, highest: 2 }, '00000001' + '00000000' + '00000002' + '00000002'],
  [{ kind: 'auth', why: authState.tooWeak }, '00000001' + '00000001' + '00000005'],
  [{ kind: 'program-unavailable' }, '00000000'.repeat(3) + '00000001'],
  [{ kind: 'program-mismatch', lowest: 1, highest: 3 }, '00000000'.repeat(3) + '00000002' + '00000001' + '00000003'],
  [{ kind: 'procedure-unavailable' }, '00000000'.repeat(3) + '00000003'],
  [{ kind: 'garbage' }, '00000000'.repeat(3) + '00000004'],
  [{ kind: 'system-error' }, '00000000'.repeat(3) + '00000005'],
];

for (const [rejection, hex] of rejections) {
  test(`a call that is rejected with '${rejection.kind}' is answered as RFC 5531 says`, (t) => {
    const writer = new XdrWriter();
    writeRejected(writer, 3, rejection);
    t.is(hexOf(writer.bytes()), '00000003' + '00000001' + hex);
    t.deepEqual(readReply(new XdrReader(writer.bytes())), { xid: 3, rejection });
  });
}

test('what is no reply is refused', (t) => {
  for (const bytes of [
    words(1, 0, 2),
    words(1, 1, 2),
    words(1, 1, 1, 2),
    words(1, 1, 0, 0, 0, 6),
    words(1, 1, 0, 0, 401),
    words(1, 1),
  ]) {
    t.is(t.throws(() => readReply(readerOf(bytes)), isInvalid)?.kind, 'invalid');
  }
});
