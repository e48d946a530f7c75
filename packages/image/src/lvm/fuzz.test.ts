import { AshlarError } from '@ashlar/core';
import { SeededRandom } from '@ashlar/testing';
import test from 'ava';
import { encodeAreaHeader, parseAreaHeader } from './area-header.ts';
import { lvmChecksum } from './checksum.ts';
import { encodeLabel, findLabel } from './label.ts';
import { readGroup } from './read-group.ts';
import { parseText } from './text/parse.ts';
import { printText } from './text/print.ts';

const cases = process.env['ASHLAR_LONG'] === '1' ? 30_000 : 400;

const text = `vg0 {
id = "AZJrqx-lCDJ-SFvK-7KS2-7EJT-sZH5-PgWB0h"
seqno = 7
format = "lvm2"
status = ["RESIZEABLE", "READ", "WRITE"]
flags = []
extent_size = 8192
max_lv = 0
max_pv = 0
metadata_copies = 0
physical_volumes {
pv0 {
id = "wC0NXs-2SRR-Tr0s-lZQh-Sm9K-T9Rv-hytlMv"
device = "/dev/loop0"
status = ["ALLOCATABLE"]
flags = []
dev_size = 204800
pe_start = 2048
pe_count = 24
}
}
logical_volumes {
${[
  ['l1', 5, 'type = "striped"\nstripe_count = 1\nstripes = ["pv0", 0]'],
  ['r1', 3, 'type = "raid1"\ndevice_count = 2\nregion_size = 4096\nraids = ["meta", "l1", "meta", "l1"]'],
  ['m1', 3, 'type = "mirror"\nmirror_count = 1\nmirror_log = "meta"\nregion_size = 4096\nmirrors = ["l1", 0]'],
  ['tp', 5, 'type = "thin-pool"\nmetadata = "meta"\npool = "l1"\ntransaction_id = 1\nchunk_size = 128'],
  ['t1', 13, 'type = "thin"\nthin_pool = "tp"\ntransaction_id = 0\ndevice_id = 1\norigin = "l1"'],
  ['snapshot0', 5, 'type = "snapshot"\nchunk_size = 8\norigin = "l1"\ncow_store = "meta"'],
  ['meta', 1, 'type = "striped"\nstripe_count = 1\nstripes = ["pv0", 5]'],
]
  .map(
    ([name, extents, segment]) => `${name} {
id = "n7OXzk-BYPo-cXAn-RVA1-4OIX-Q0kK-5UZI9H"
status = ["READ", "WRITE", "VISIBLE"]
flags = []
creation_time = 1795745907
creation_host = "vm"
segment_count = 1
segment1 {
start_extent = 0
extent_count = ${extents}
${segment}
}
}
`,
  )
  .join('')}}
}
contents = "Text Format Volume Group"
version = 1
description = "Write from \\"lvcreate\\"."
creation_time = 1795746035
`;

const pieces = [
  '{',
  '}',
  '[',
  ']',
  '=',
  ',',
  '"',
  "'",
  '\\',
  '#',
  '\n',
  '0',
  '-1',
  '9007199254740991',
  '1e9',
  'l1',
  'pv0',
  'vg0',
  ' {\n',
  'segment2',
];

/** The text with a few pieces that are others. */
function damagedText(random: SeededRandom): string {
  let found = text;
  for (let count = 1 + random.below(4); count > 0; count -= 1) {
    const at = random.below(found.length);
    const end = at + (random.oneIn(3) ? random.below(40) : random.below(3));
    const other = random.oneIn(4) ? found.slice(random.below(at + 1), at) : random.pick(pieces);
    found = found.slice(0, at) + other + found.slice(end);
  }
  // A number for another one goes deeper than what is no text any more.
  return random.oneIn(2) ? found.replace(/\d+/, random.pick(['0', '7', '4503599627370496', '65536'])) : found;
}

/** Gives whether it was read; what it throws is a refusal. */
function isRead(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (error instanceof AshlarError) return false;
    throw error;
  }
}

test('whatever is damaged in a text, it is read or refused, and nothing else', (t) => {
  t.deepEqual(readGroup(parseText(text, 'x'), 'x').notUnderstood, []);
  let read = 0;
  for (let seed = 1; seed <= cases; seed += 1) {
    const damaged = damagedText(new SeededRandom(seed));
    if (isRead(() => readGroup(parseText(damaged, 'x'), 'x'))) read += 1;
  }
  t.true(read > 0 && read < cases, `${read} of ${cases} were read`);
});

test('random bytes, and tokens in any order, are no text', (t) => {
  for (let seed = 1; seed <= cases; seed += 1) {
    const random = new SeededRandom(seed);
    const bytes = Buffer.alloc(random.below(400));
    random.fill(bytes);
    isRead(() => readGroup(parseText(bytes.toString('latin1'), 'x'), 'x'));
    const words = Array.from({ length: random.below(200) }, () => random.pick(pieces)).join(' ');
    isRead(() => printText(parseText(words, 'x')));
  }
  t.pass();
});

test('labels and headers with any bytes and a checksum that is right are read or refused', (t) => {
  const area = { offset: 4096, sizeBytes: 1_044_480 };
  const label = encodeLabel({
    id: 'wC0NXs-2SRR-Tr0s-lZQh-Sm9K-T9Rv-hytlMv',
    sector: 0,
    deviceBytes: 1 << 30,
    dataAreas: [{ offset: 1 << 20, sizeBytes: 0 }],
    metadataAreas: [area],
    extensionVersion: 2,
    flags: 1,
    bootAreas: [],
  });
  const header = encodeAreaHeader({
    area,
    committed: { offset: 512, sizeBytes: 900, checksum: 1 },
    prepared: undefined,
    isIgnored: false,
  });
  let read = 0;
  for (let seed = 1; seed <= cases; seed += 1) {
    const random = new SeededRandom(seed);
    for (const [bytes, from] of [
      [Buffer.from(label), 20],
      [Buffer.from(header), 4],
    ] as const) {
      const changed = random.oneIn(8) ? 512 - from : 1 + random.below(4);
      for (let count = 0; count < changed; count += 1)
        bytes[from + random.below(random.oneIn(2) ? 140 : 512 - from)] = random.pick([
          0,
          1,
          127,
          255,
          random.below(256),
        ]);
      bytes.writeUInt32LE(lvmChecksum(bytes.subarray(from)), from === 20 ? 16 : 0);
      const isFound = from === 20 ? () => findLabel(bytes, 'x') : () => parseAreaHeader(bytes, area, 'x');
      if (isRead(isFound)) read += 1;
    }
  }
  t.true(read > 0 && read < 2 * cases, `${read} were read`);
});
