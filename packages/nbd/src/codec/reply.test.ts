import test from 'ava';
import { chunk, chunkFlag } from './constants.ts';
import { readU64, ReplyHead, writeChunkHead, writeSimpleReply, writeU64 } from './reply.ts';

const request = { cookieHigh: 0x11223344, cookieLow: 0x55667788, offsetHigh: 0xffffffff, offsetLow: 0xfffffe01 };

function hexOf(view: DataView, size: number): string {
  return Buffer.from(view.buffer, 0, size).toString('hex');
}

test('a simple reply is magic, error and cookie', (t) => {
  const view = new DataView(new ArrayBuffer(32));
  t.is(writeSimpleReply(view, 0, 28, request), 16);
  t.is(hexOf(view, 16), '67446698' + '0000001c' + '1122334455667788');
});

test('the head of a structured chunk has 20 bytes', (t) => {
  const view = new DataView(new ArrayBuffer(32));
  t.is(writeChunkHead(view, 0, false, chunkFlag.done, chunk.offsetData, request, 4104), 20);
  t.is(hexOf(view, 20), '668e33ef' + '0001' + '0001' + '1122334455667788' + '00001008');
});

test("the head of an extended chunk repeats the request's offset to the last bit", (t) => {
  const view = new DataView(new ArrayBuffer(32));
  t.is(writeChunkHead(view, 0, true, 0, chunk.error, request, 6), 32);
  t.is(hexOf(view, 32), '6e8a278c' + '0000' + '8001' + '1122334455667788' + 'fffffffffffffe01' + '0000000000000006');
});

test('numbers of 64 bits are exact up to 2^53', (t) => {
  const view = new DataView(new ArrayBuffer(8));
  for (const value of [0, 1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    writeU64(view, 0, value);
    t.is(readU64(view, 0), value);
  }
});

test('a client reads each form of reply, and waits for a whole head', (t) => {
  const view = new DataView(new ArrayBuffer(32));
  const head = new ReplyHead();
  const small = { ...request, cookieHigh: 0, cookieLow: 77 };
  writeSimpleReply(view, 0, 5, small);
  t.is(head.decode(view, 0, 15), 0);
  t.is(head.decode(view, 0, 16), 16);
  t.like(head, { kind: 'simple', error: 5, cookie: 77, length: 0 });
  writeChunkHead(view, 0, false, chunkFlag.done, chunk.offsetHole, small, 12);
  t.is(head.decode(view, 0, 16), 0);
  t.is(head.decode(view, 0, 20), 20);
  t.like(head, { kind: 'chunk', type: chunk.offsetHole, flags: 1, cookie: 77, length: 12 });
  writeChunkHead(view, 0, true, 0, chunk.offsetData, small, 520);
  t.is(head.decode(view, 0, 31), 0);
  t.is(head.decode(view, 0, 32), 32);
  t.like(head, { kind: 'chunk', type: chunk.offsetData, flags: 0, cookie: 77, length: 520 });
});

test('bytes that are no reply are refused', (t) => {
  t.is(new ReplyHead().decode(new DataView(new ArrayBuffer(32)), 0, 32), -1);
});
