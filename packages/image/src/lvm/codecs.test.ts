import { failsWith, sameBytes } from '@ashlar/testing';
import test from 'ava';
import { encodeAreaHeader, parseAreaHeader, placeOfNext, runsOf, type AreaHeader } from './area-header.ts';
import { encodeLabel, findLabel, type PvLabel } from './label.ts';
import { parseText } from './text/parse.ts';
import { printText } from './text/print.ts';
import { newUuid, withHyphens } from './uuid.ts';

/** What lvm2 2.03.16 wrote on a device of 100 MiB: its label, and the header of its metadata area at 4096. */
const labelByLvm =
  '4c4142454c4f4e450100000000000000c66e33a9200000004c564d32203030317743304e5873325352525472307' +
  '36c5a5168536d394b5439527668' +
  '79746c4d76000040060000000000001000000000000000000000000000000000000000000000000000000000000010000000000000' +
  '00f00f00000000000000000000000000000000000000000002000000010000000000000000000000';
const headerByLvm =
  '154f0165204c564d3220785b3541257230' +
  '4e2a3e01000000001000000000000000f00f000000000000300000000000003d0900000000000022544b4800000000';

const sector = (hex: string): Buffer => Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(512)]).subarray(0, 512);

const label: PvLabel = {
  id: 'wC0NXs-2SRR-Tr0s-lZQh-Sm9K-T9Rv-hytlMv',
  sector: 1,
  deviceBytes: 100 * 1024 * 1024,
  dataAreas: [{ offset: 1024 * 1024, sizeBytes: 0 }],
  metadataAreas: [{ offset: 4096, sizeBytes: 1_044_480 }],
  extensionVersion: 2,
  flags: 1,
  bootAreas: [],
};

const area = { offset: 4096, sizeBytes: 1_044_480 };

test("lvm2's label is read, and written as lvm2 writes it", (t) => {
  const bytes = sector(labelByLvm);
  t.deepEqual(findLabel(Buffer.concat([Buffer.alloc(512), bytes]), 'x'), label);
  sameBytes(t, encodeLabel(label), bytes, 'the label');
  t.is(findLabel(Buffer.alloc(2048), 'x'), undefined);
});

test("the header of lvm2's metadata area is read, and written as lvm2 writes it", (t) => {
  const header = parseAreaHeader(sector(headerByLvm), area, 'x');
  t.deepEqual(header, {
    area,
    committed: { offset: 0x3000, sizeBytes: 0x93d, checksum: 0x484b5422 },
    prepared: undefined,
    isIgnored: false,
  });
  sameBytes(t, encodeAreaHeader(header), sector(headerByLvm), 'the header');
});

test('each byte that is another makes a label and a header damaged', async (t) => {
  for (let at = 20; at < 512; at += 7) {
    const bytes = Buffer.concat([Buffer.alloc(512), sector(labelByLvm)]);
    bytes[512 + at] = bytes[512 + at]! ^ 1;
    if (at < 24 || at >= 32) await failsWith(t, 'corrupt', () => void findLabel(bytes, 'x'));
    const header = sector(headerByLvm);
    header[at] = header[at]! ^ 1;
    await failsWith(t, 'corrupt', () => void parseAreaHeader(header, area, 'x'));
  }
});

test('texts go round in their area, each from a sector on, and never over the one that counts', async (t) => {
  const small = { offset: 4096, sizeBytes: 512 * 9 };
  let header: AreaHeader = { area: small, committed: undefined, prepared: undefined, isIgnored: false };
  const places: number[] = [];
  for (const sizeBytes of [700, 600, 1000, 1400, 900]) {
    const offset = placeOfNext(header, sizeBytes, 'x');
    places.push(offset);
    header = { ...header, committed: { offset, sizeBytes, checksum: 0 } };
  }
  t.deepEqual(places, [512, 1536, 2560, 3584, 1024]);
  t.deepEqual(runsOf(small, { offset: 3584, sizeBytes: 1400 }), [
    { offset: 4096 + 3584, length: 1024 },
    { offset: 4096 + 512, length: 376 },
  ]);
  await failsWith(t, 'no-space', () => void placeOfNext(header, 3073, 'x'));
  t.is(placeOfNext(header, 3072, 'x'), 2048);
  const full = { ...header, committed: { offset: 512, sizeBytes: 4096, checksum: 0 } };
  await failsWith(t, 'no-space', () => void placeOfNext(full, 1, 'x'));
});

test('a text is read with its comments, strings, numbers and lists, and printed so that it reads the same', (t) => {
  const text = [
    'vg { # a comment with "quotes" { and braces',
    '  id = "a\\"b\\\\c"',
    '  plain = word',
    "  single = 'it\\is'",
    '  numbers = [1, -2, 0.5]',
    '  empty = []',
    '  007 { x = 1 }',
    '  stripes = [',
    '    "pv0", 0,',
    '    "pv1", 5',
    '  ]',
    '}',
    'contents = "x"\0',
  ].join('\n');
  const tree = parseText(text, 'x');
  const vg = new Map<string, unknown>([
    ['id', 'a"b\\c'],
    ['plain', 'word'],
    ['single', 'it\\is'],
    ['numbers', [1, -2, { digits: '0.5' }]],
    ['empty', []],
    ['007', new Map([['x', 1]])],
    ['stripes', ['pv0', 0, 'pv1', 5]],
  ]);
  t.deepEqual<unknown, unknown>(
    tree,
    new Map<string, unknown>([
      ['vg', vg],
      ['contents', 'x'],
    ]),
  );
  t.deepEqual(parseText(printText(tree), 'x'), tree);
});

test('a text that is none is refused in a sentence', async (t) => {
  for (const text of [
    'vg {',
    '}',
    'x = ',
    'x = [1, ',
    'x = [1 2]',
    'x = "endless',
    'x = "endless\\"',
    "x = 'endless",
    'x y',
    'x = 1 x = 2',
    '= 1',
    'x = 99999999999999999999',
    'x = {',
    '\u00e9 = 1',
    'x = ]',
    'a {'.repeat(100_000),
  ])
    await failsWith(t, 'corrupt', () => void parseText(text, 'x'));
});

test('ids have letters and digits, and hyphens where LVM has them', (t) => {
  const random = { below: (limit: number) => limit - 1, fill: () => undefined };
  t.is(newUuid(random), 'ZZZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZZZ');
  t.is(withHyphens('wC0NXs2SRRTr0slZQhSm9KT9RvhytlMv'), label.id);
});
