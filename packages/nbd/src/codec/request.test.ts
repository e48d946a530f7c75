import test from 'ava';
import { command, commandFlag } from './constants.ts';
import { compactRequestSize, extendedRequestSize, RequestHead } from './request.ts';

function viewOf(hex: string): DataView {
  const bytes = Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
  return new DataView(bytes.buffer);
}

test('a compact request is read field by field', (t) => {
  const head = new RequestHead();
  t.true(
    head.decode(viewOf('25609513 0001 0001 0102030405060708 0000000123456000 00001000'), 0, false),
    'its magic is right',
  );
  t.like(head, {
    flags: commandFlag.fua,
    type: command.write,
    cookieHigh: 0x01020304,
    cookieLow: 0x05060708,
    offset: 0x123456000,
    length: 4096,
  });
});

test('an extended request has a length of 64 bits', (t) => {
  const head = new RequestHead();
  const view = viewOf('21e41c71 0000 0006 0000000000000009 0000000000000000 0000010000000000');
  t.true(head.decode(view, 0, true));
  t.like(head, { type: command.writeZeroes, cookieLow: 9, offset: 0, length: 2 ** 40 });
});

test('a request with the magic of the other form is none', (t) => {
  const head = new RequestHead();
  t.false(head.decode(viewOf(`25609513${'00'.repeat(28)}`), 0, true));
  t.false(head.decode(viewOf(`21e41c71${'00'.repeat(24)}`), 0, false));
  t.false(head.decode(viewOf('12560953'.padEnd(56, '0')), 0, false), 'the historic magic is reserved');
});

test('an offset beyond exact numbers keeps its halves', (t) => {
  const head = new RequestHead();
  head.decode(viewOf('21e41c71 0000 0000 0000000000000001 fffffffffffffe01 0000000000000200'), 0, true);
  t.like(head, { offsetHigh: 0xffffffff, offsetLow: 0xfffffe01 });
  t.false(Number.isSafeInteger(head.offset));
});

test('what is written is read again, in both forms', (t) => {
  for (const extended of [false, true]) {
    const written = new RequestHead();
    Object.assign(written, { flags: 3, type: 6, cookieHigh: 7, cookieLow: 8, offset: 2 ** 52, length: 2 ** 31 });
    const view = new DataView(new ArrayBuffer(40));
    t.is(written.encode(view, 4, extended), extended ? extendedRequestSize : compactRequestSize);
    const read = new RequestHead();
    t.true(read.decode(view, 4, extended));
    t.like(read, { flags: 3, type: 6, cookieHigh: 7, cookieLow: 8, offset: 2 ** 52, length: 2 ** 31 });
  }
});
