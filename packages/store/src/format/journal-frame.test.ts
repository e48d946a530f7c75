import test from 'ava';
import fc from 'fast-check';
import { xxhByHand, fromHex } from './by-hand.ts';
import {
  decodeHead,
  decodePredecessor,
  decodeRecords,
  encodeBatch,
  FrameBuilder,
  FrameCopy,
  headerLengthAt,
  maxHeaderBytes,
  maxRecordsEnd,
  type JournalRecord,
} from './journal-frame.ts';

const poolId = '0011223344556677ffffffffffffffff';
const head = { poolId, generation: 3, stream: 0, number: 2, previous: 0xdeadbeef, durable: 1 };
const at = { store: 2, sequence: 3 };

/** A head of that many data blocks and records: magic, checksum, generation 3, stream 0, number 2.0, ... */
function headHex(blocks: string, records: string, length = '00100000', end = '40000000'): string {
  return `41534a31 00000000 03000000 00000000 0000000000000040 efbeadde ${length}
    ${blocks} ${records} 000000000000f03f 0011223344556677 ${end} 00000000`;
}

/** A head of one record, whose digits follow it. */
function oneHex(blocks: string, record: string): string {
  const end = Buffer.alloc(4);
  end.writeUInt32LE(64 + record.replaceAll(/\s/g, '').length / 2);
  return headHex(blocks, '01000000', '00100000', end.toString('hex')) + record;
}

/** Kind, reserved, length of the fields, store 2.0, sequence 3.0. */
function recordHex(kind: string, length: string, fields: string): string {
  return `${kind} 000000 ${length} 0000000000000040 0000000000000840 ${fields}`;
}

function sealed(digits: string, size = 4096): Buffer {
  const bytes = fromHex(digits, size);
  bytes.writeUInt32LE(xxhByHand(bytes.subarray(8)), 4);
  return bytes;
}

function recordsOf(bytes: Uint8Array): JournalRecord[] {
  const frame = decodeHead(bytes, poolId);
  return frame === undefined ? [] : decodeRecords(bytes, frame);
}

type Case = { name: string; hex: string; blocks: string; build(builder: FrameBuilder): void; record: JournalRecord };

const one = '000000000000f03f';
const two = '0000000000000040';
const eight = '0000000000002040';
const page = '000000000000b040';

const cases: readonly Case[] = [
  {
    name: 'data',
    hex: recordHex('01', '20000000', `${one} ${page} 02000000 00000000 04030201 fffefdfc`),
    blocks: '02000000',
    build: (builder) => builder.data(at, 1, 4096, Uint32Array.of(0x01020304, 0xfcfdfeff)),
    record: {
      ...at,
      kind: 'data',
      object: 1,
      offset: 4096,
      checksums: Uint32Array.of(0x01020304, 0xfcfdfeff),
      firstBlock: 0,
    },
  },
  {
    name: 'slots',
    hex: recordHex('02', '30000000', `${one} ${two} ${eight} ${one} 01000000 00000000 04030201 00000000`),
    blocks: '00000000',
    build: (builder) => builder.slots(at, 1, 2, 8, 1, Uint32Array.of(0x01020304)),
    record: { ...at, kind: 'slots', object: 1, chunk: 2, slot: 8, block: 1, checksums: Uint32Array.of(0x01020304) },
  },
  {
    name: 'clear',
    hex: recordHex('03', '20000000', `${one} 0000000000000000 ${page} ${one}`),
    blocks: '00000000',
    build: (builder) => builder.clear(at, 1, 0, 4096, true),
    record: { ...at, kind: 'clear', object: 1, offset: 0, length: 4096, keep: true },
  },
  {
    name: 'create',
    hex: recordHex('04', '18000000', `${one} ${page} ${two}`),
    blocks: '00000000',
    build: (builder) => builder.create(at, 1, 4096, 'full'),
    record: { ...at, kind: 'create', object: 1, sizeBytes: 4096, preallocation: 'full' },
  },
  {
    name: 'delete',
    hex: recordHex('05', '08000000', one),
    blocks: '00000000',
    build: (builder) => builder.delete(at, 1),
    record: { ...at, kind: 'delete', object: 1 },
  },
  {
    name: 'truncate',
    hex: recordHex('06', '10000000', `${one} ${page}`),
    blocks: '00000000',
    build: (builder) => builder.truncate(at, 1, 4096),
    record: { ...at, kind: 'truncate', object: 1, sizeBytes: 4096 },
  },
  {
    name: 'batch',
    // Two changes: the key ab has the value 01 02 03, the key cd ef goes. Padded to a multiple of 8.
    hex: recordHex('07', '20000000', '02000000 01000000 03000000 ab 010203 02000000 ffffffff cdef 000000000000'),
    blocks: '00000000',
    build: (builder) =>
      builder.batch(
        at,
        encodeBatch([
          { key: Uint8Array.of(0xab), value: Uint8Array.of(1, 2, 3) },
          { key: Uint8Array.of(0xcd, 0xef), value: null },
        ]),
      ),
    record: {
      ...at,
      kind: 'batch',
      changes: [
        { key: Uint8Array.of(0xab), value: Uint8Array.of(1, 2, 3) },
        { key: Uint8Array.of(0xcd, 0xef), value: null },
      ],
    },
  },
];

for (const { name, hex, blocks, build, record } of cases) {
  test(`a frame with a record of ${name} is the bytes that the page says`, (t) => {
    const builder = new FrameBuilder();
    build(builder);
    const expected = sealed(oneHex(blocks, hex));
    const { header, checksum } = builder.seal(head, new FrameCopy());
    t.deepEqual(Buffer.from(header), expected);
    t.is(checksum, expected.readUInt32LE(4));
  });

  test(`a record of ${name} written by hand is read`, (t) => {
    t.deepEqual(recordsOf(sealed(oneHex(blocks, hex))), [record]);
  });
}

test('a head written by hand is read', (t) => {
  const bytes = sealed(headHex('02000000', '00000000'));
  t.deepEqual(decodeHead(bytes, poolId), {
    ...head,
    checksum: xxhByHand(bytes.subarray(8)),
    headerBytes: 4096,
    dataBlocks: 2,
    recordCount: 0,
  });
});

/** A frame of number 2 that deletes object 1, and the one behind it, of number 3, that deletes object 2. */
const firstHex = oneHex('00000000', recordHex('05', '08000000', one));
const secondHex = (checksum: string): string => `
  41534a31 00000000 03000000 00000000 0000000000000840 ${checksum} 00100000
  00000000 01000000 000000000000f03f 0011223344556677 60000000 70000000
  ${recordHex('05', '08000000', two)}
  07000000 00000000 000000000000c040
  41534a31 ${checksum} ${firstHex.replaceAll(/\s/g, '').slice(16)}`;

/** The two, with the place that the first one is at: offset 8192 of segment 7. */
function twoByHand(): { first: Buffer; second: Buffer } {
  const first = sealed(firstHex);
  return { first, second: sealed(secondHex(first.toString('hex', 4, 8))) };
}

test('a frame repeats what the one before it said, as the bytes that the page says', (t) => {
  const { first, second } = twoByHand();
  const copy = new FrameCopy();
  const builder = new FrameBuilder();
  builder.delete(at, 1);
  const sealedFirst = builder.seal(head, copy);
  t.deepEqual(sealedFirst.header, first);
  copy.take(sealedFirst.header, 7, 8192);
  builder.reset();
  builder.delete(at, 2);
  t.deepEqual(builder.seal({ ...head, number: 3, previous: sealedFirst.checksum }, copy).header, second);
});

test('a frame whose header is lost is read from the one behind it, written by hand', (t) => {
  const { first, second } = twoByHand();
  const frame = decodeHead(second, poolId);
  const before = frame === undefined ? undefined : decodePredecessor(second, frame);
  if (frame === undefined || before === undefined) return t.fail('both are read');
  t.deepEqual(before.frame, decodeHead(first, poolId));
  t.is(before.segment, 7);
  t.is(before.offset, 8192);
  t.deepEqual(decodeRecords(second, frame), [{ ...at, kind: 'delete', object: 2 }]);
  t.deepEqual(decodeRecords(second, before.frame, before.recordsAt), [{ ...at, kind: 'delete', object: 1 }]);
});

test('the first frame, and one that repeats something else than the one before it, name no frame before them', (t) => {
  const { first, second } = twoByHand();
  const digits = second.toString('hex');
  const changed = [
    first,
    sealed(digits.replace('60000000', '00100000')),
    sealed(digits.replace('70000000', '00100000')),
    sealed(digits.replace(first.toString('hex', 4, 8), '00000000')),
    sealed(digits.replace('0000000000000840', '0000000000001040')),
  ];
  for (const header of changed) {
    const frame = decodeHead(header, poolId);
    if (frame === undefined) t.fail('the header is good');
    else t.is(decodePredecessor(header, frame), undefined);
  }
});

test('a header takes another block where what it repeats does not fit, and the greatest frames fit their bounds', (t) => {
  const copy = new FrameCopy();
  const builder = new FrameBuilder();
  let most = maxRecordsEnd;
  while (!builder.fits(most, 0)) most -= 1;
  builder.batch(at, new Uint8Array(most));
  const { header: valid, checksum } = builder.seal(head, copy);
  const header = Buffer.from(valid);
  t.is(header.length, maxRecordsEnd);
  copy.take(header, 0, 0);
  t.is(copy.length, maxRecordsEnd + 8);
  const second = builder.seal({ ...head, number: 3, previous: checksum }, copy);
  t.is(second.header.length, maxHeaderBytes);
  const frame = decodeHead(second.header, poolId);
  const before = frame === undefined ? undefined : decodePredecessor(second.header, frame);
  if (frame === undefined || before === undefined) return t.fail('both are read');
  t.deepEqual(decodeRecords(second.header, before.frame, before.recordsAt), recordsOf(header));
  builder.reset();
  builder.delete(at, 1);
  t.is(builder.headerBytes(copy), maxRecordsEnd + 4096);
});

test('any flipped bit of a header is found', (t) => {
  const good = sealed(oneHex('02000000', cases[0]?.hex ?? ''));
  t.truthy(decodeHead(good, poolId));
  for (let byte = 0; byte < good.length; byte += 1) {
    const bytes = Buffer.from(good);
    bytes[byte] = (bytes[byte] ?? 0) ^ (1 << (byte & 7));
    if (decodeHead(bytes, poolId) !== undefined) t.fail(`byte ${byte}`);
  }
});

test('a header that is cut short or of another pool is refused', (t) => {
  const long = sealed(headHex('00000000', '00000000', '00200000'), 8192);
  t.truthy(decodeHead(long, poolId));
  t.is(decodeHead(long.subarray(0, 4096), poolId), undefined);
  t.is(decodeHead(long, '0011223344556678ffffffffffffffff'), undefined);
});

test('a length of a header that is nothing, no whole blocks or above the bound starts no frame', (t) => {
  for (const length of ['00000000', '00080000', '01100000', '00100200', 'ffffffff']) {
    t.is(headerLengthAt(fromHex(headHex('00000000', '00000000', length), 4096)), 0, length);
  }
  t.is(headerLengthAt(fromHex(headHex('00000000', '00000000', '00000200'), 4096)), maxHeaderBytes);
  t.is(headerLengthAt(new Uint8Array(4096)), 0);
});

test('more data blocks than a frame holds are refused', (t) => {
  t.truthy(decodeHead(sealed(headHex('00010000', '00000000')), poolId));
  t.is(decodeHead(sealed(headHex('01010000', '00000000')), poolId), undefined);
});

test('a builder says when no more fits, and is empty again once it is reset', (t) => {
  const builder = new FrameBuilder();
  t.true(builder.fits(24 + 256 * 4, 256));
  t.false(builder.fits(24 + 257 * 4, 257));
  let count = 0;
  for (; builder.fits(8, 0); count += 1) builder.delete(at, count);
  const first = new FrameCopy();
  t.is(recordsOf(builder.seal(head, first).header).length, count);
  t.is(builder.headerBytes(first), maxRecordsEnd);
  builder.reset();
  t.true(builder.isEmpty);
  t.is(builder.headerBytes(first), 4096);
});

const number = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const some = fc.array(fc.nat({ max: 0xffffffff }), { minLength: 1, maxLength: 64 });
const bytes = fc.uint8Array({ maxLength: 40 });
const steps = fc.oneof(
  fc.record({ kind: fc.constant('data' as const), object: number, offset: number, checksums: some }),
  fc.record({
    kind: fc.constant('clear' as const),
    object: number,
    offset: number,
    length: number,
    keep: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('batch' as const),
    changes: fc.array(fc.record({ key: bytes, value: fc.option(bytes) }), { maxLength: 8 }),
  }),
);

test('all records of a frame come back in order, with the blocks that are theirs', (t) => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 40 }), (given) => {
      const builder = new FrameBuilder();
      const expected: JournalRecord[] = [];
      for (const step of given) {
        if (step.kind === 'data') {
          if (!builder.fits(24 + step.checksums.length * 4, step.checksums.length)) continue;
          const checksums = Uint32Array.from(step.checksums);
          expected.push({ ...at, ...step, checksums, firstBlock: builder.dataBlocks });
          builder.data(at, step.object, step.offset, checksums);
        } else if (step.kind === 'clear') {
          expected.push({ ...at, ...step });
          builder.clear(at, step.object, step.offset, step.length, step.keep);
        } else {
          expected.push({ ...at, ...step });
          builder.batch(at, encodeBatch(step.changes));
        }
      }
      t.deepEqual(recordsOf(builder.seal(head, new FrameCopy()).header), expected);
    }),
  );
});
