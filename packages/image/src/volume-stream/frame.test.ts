import { AshlarError, type ErrorKind } from '@ashlar/core';
import test, { type ExecutionContext } from 'ava';
import { FrameEncoder, headBytes, type StreamHeader } from './frame.ts';
import { readFrames, type StreamFrame } from './read-frames.ts';

const header: StreamHeader = {
  format: 'ashlar-volume-stream',
  volume: 'demo',
  sizeBytes: 1 << 30,
  snapshot: { name: 'b', uuid: '2' },
  since: { name: 'a', uuid: '1' },
  startOffset: 0,
};

const block = new Uint8Array(4096).fill(7);

function written(): Uint8Array[] {
  const encoder = new FrameEncoder();
  return [
    encoder.header(header),
    encoder.data(4096, block),
    encoder.zero(8192, 2 ** 33),
    encoder.data(2 ** 34, block.subarray(0, 512)),
    encoder.end(),
  ].map((parts) => Buffer.concat(parts));
}

/** As a pipe brings it: in pieces of any length. */
async function* pieces(bytes: Uint8Array, each: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += each) yield bytes.subarray(at, at + each);
}

async function read(bytes: Uint8Array, each = 1000): Promise<StreamFrame[]> {
  const frames: StreamFrame[] = [];
  for await (const frame of readFrames(pieces(bytes, each))) frames.push(frame);
  return frames;
}

async function fails(t: ExecutionContext, kind: ErrorKind, bytes: Uint8Array): Promise<void> {
  const error = await t.throwsAsync(() => read(bytes), { instanceOf: AshlarError });
  t.is(error.kind, kind);
}

test('what was written is read, however the pieces come', async (t) => {
  const stream = Buffer.concat(written());
  const expected: StreamFrame[] = [
    { type: 'header', header },
    { type: 'data', offset: 4096, bytes: block },
    { type: 'zero', offset: 8192, length: 2 ** 33 },
    { type: 'data', offset: 2 ** 34, bytes: block.slice(0, 512) },
  ];
  for (const each of [1, 31, 4096, 100_000]) t.deepEqual(await read(stream, each), expected);
});

test('the head of a frame is magic, type, place, length and two checksums', (t) => {
  const [, data] = written();
  const head = Buffer.from(data!.subarray(0, headBytes));
  t.is(head.toString('latin1', 0, 4), 'AVS1');
  t.is(head.readUInt32LE(4), 2);
  t.is(head.readBigUInt64LE(8), 4096n);
  t.is(head.readBigUInt64LE(16), 4096n);
});

test('any flipped bit is found', async (t) => {
  const stream = Buffer.concat(written());
  for (let at = 0; at < stream.length; at += 97) {
    const damaged = Buffer.from(stream);
    damaged[at]! ^= 0x10;
    const error = await t.throwsAsync(() => read(damaged), { instanceOf: AshlarError }, `byte ${at}`);
    t.true(['corrupt', 'invalid', 'closed'].includes(error.kind), `byte ${at}: ${error.message}`);
  }
});

test('a frame that is missing, twice, or in another place is found', async (t) => {
  const [first, second, third, fourth, end] = written() as [Buffer, Buffer, Buffer, Buffer, Buffer];
  await fails(t, 'corrupt', Buffer.concat([first, third, fourth, end]));
  await fails(t, 'corrupt', Buffer.concat([first, second, second, third, fourth, end]));
  await fails(t, 'corrupt', Buffer.concat([first, third, second, fourth, end]));
  await fails(t, 'corrupt', Buffer.concat([first, second, third, end]));
});

test('a stream that breaks off says so, and so does what is none', async (t) => {
  const stream = Buffer.concat(written());
  await fails(t, 'closed', stream.subarray(0, stream.length - 1));
  await fails(t, 'closed', stream.subarray(0, stream.length - headBytes));
  await fails(t, 'closed', new Uint8Array(0));
  await fails(t, 'invalid', Buffer.alloc(100, 'x'));
});
