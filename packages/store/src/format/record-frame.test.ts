import test from 'ava';
import {
  changesIn,
  encodeRecordFrame,
  lastKeyIn,
  recordFrameBytes,
  recordFrameHead,
  recordFramesIn,
  verifiedFrame,
  type RecordFrame,
} from './record-frame.ts';

const poolId = '00112233445566778899aabbccddeeff';
const frame: RecordFrame = {
  kind: 'commit',
  number: 7,
  changes: [
    { key: Uint8Array.of(1, 2), value: Uint8Array.of(3) },
    { key: Uint8Array.of(4), value: null },
    { key: Uint8Array.of(5), value: new Uint8Array() },
  ],
};

test('a frame is bytes as its page says', (t) => {
  const bytes = encodeRecordFrame(poolId, frame);
  t.is(bytes.subarray(0, 4).toString('latin1'), 'ASRL');
  t.is(bytes.toString('hex', 8, 16), '0011223344556677');
  t.is(bytes.readDoubleLE(16), 7);
  t.is(bytes.readUInt32LE(24), 1);
  t.is(bytes.readUInt32LE(28), bytes.length - recordFrameHead);
  t.is(
    bytes.toString('hex', recordFrameHead),
    '03000000' + '0200000001000000' + '0102' + '03' + '01000000ffffffff' + '04' + '0100000000000000' + '05',
  );
});

test('what was written is read, of each kind', (t) => {
  for (const kind of ['commit', 'dump', 'end', 'closed'] as const) {
    const bytes = encodeRecordFrame(poolId, { ...frame, kind });
    t.is(recordFrameBytes(poolId, bytes.subarray(0, recordFrameHead)), bytes.length);
    t.deepEqual({ ...verifiedFrame(bytes), changes: changesIn(bytes) }, { ...frame, kind });
  }
});

test('the last key of a frame is known without the rest', (t) => {
  t.deepEqual(lastKeyIn(encodeRecordFrame(poolId, frame)), Uint8Array.of(5));
  t.is(lastKeyIn(encodeRecordFrame(poolId, { ...frame, changes: [] })), undefined);
});

test('a frame of which any bit has flipped is none', (t) => {
  const bytes = encodeRecordFrame(poolId, frame);
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const damaged = Buffer.from(bytes);
    damaged[bit >> 3] = damaged[bit >> 3]! ^ (1 << (bit & 7));
    const length = recordFrameBytes(poolId, damaged.subarray(0, recordFrameHead));
    if (length === bytes.length) t.is(verifiedFrame(damaged), undefined, `bit ${bit}`);
  }
});

test('a frame of another pool is none of this one', (t) => {
  const bytes = encodeRecordFrame('ff112233445566778899aabbccddeeff', frame);
  t.is(recordFrameBytes(poolId, bytes.subarray(0, recordFrameHead)), undefined);
});

test('frames are found among other bytes', (t) => {
  const bytes = encodeRecordFrame(poolId, frame);
  const others = Buffer.from('there is something else before it');
  t.deepEqual(
    [...recordFramesIn(poolId, Buffer.concat([others, bytes, others, bytes]))],
    [others.length, 2 * others.length + bytes.length],
  );
});
