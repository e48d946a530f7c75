import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryDevice } from '@ashlar/block';
import { createRealHost } from '@ashlar/host';
import { AshlarError, GiB, MiB, type BlockDevice } from '@ashlar/core';
import { failsWith, SeededRandom, testWithTools } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { createFileDevice } from '../raw/file-device.ts';
import { findPartition, partitionsOf } from './partition-table.ts';
import type { Partition } from './partition.ts';

const testSfdisk = testWithTools(test, 'sfdisk');
const cases = process.env['ASHLAR_LONG'] === '1' ? 50_000 : 300;

function disk(t: ExecutionContext, sizeBytes: number, script = ''): string {
  const directory = mkdtempSync(join(tmpdir(), 'ashlar-partition-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'disk.raw');
  writeFileSync(path, '');
  truncateSync(path, sizeBytes);
  if (script !== '') execFileSync('sfdisk', ['--quiet', path], { input: script, stdio: 'pipe' });
  return path;
}

const open = (path: string, readOnly = true): BlockDevice =>
  createFileDevice(createRealHost().open(path, { readOnly }), { readOnly });

async function found(path: string): Promise<readonly Partition[]> {
  const device = open(path);
  try {
    return await partitionsOf(device, path);
  } finally {
    await device.close();
  }
}

type Told = { node: string; start: number; size: number; name?: string };

/** What sfdisk says that there is; of extended ones only what is in them. */
function told(path: string): readonly Partition[] {
  const { partitiontable } = JSON.parse(execFileSync('sfdisk', ['--json', path], { encoding: 'utf8' })) as {
    partitiontable: { partitions: (Told & { type: string })[] };
  };
  return partitiontable.partitions
    .filter(({ type }) => !['5', 'f', '85'].includes(type))
    .map(({ node, start, size, name }) => ({
      number: Number(node.slice(path.length)),
      offset: start * 512,
      sizeBytes: size * 512,
      name: name ?? '',
    }));
}

const gpt = `label: gpt
1: size=3MiB, name="boot, ä ✓"
2: size=5MiB
7: size=10MiB, name=data
`;

testSfdisk('partitions of a GPT are those that sfdisk made, with their names', async (t) => {
  const path = disk(t, 64 * MiB, gpt);
  t.is((await found(path)).length, 3);
  t.deepEqual(await found(path), told(path));
});

testWithTools(test, 'fdisk')('so are those of a GPT with sectors of 4096 bytes', async (t) => {
  const path = disk(t, 64 * MiB);
  const input = ['g', 'n', '1', '', '+3M', 'n', '5', '', '+5M', 'w', ''].join('\n');
  execFileSync('fdisk', ['-b', '4096', path], { input, stdio: 'pipe' });
  const text = execFileSync('fdisk', ['-b', '4096', '-l', '-o', 'start,sectors', path], { encoding: 'utf8' });
  const rows = text
    .split('\n')
    .flatMap((line) => (/^ *\d+ +\d+$/.test(line) ? [line.trim().split(/ +/).map(Number)] : []));
  t.is(rows.length, 2);
  t.deepEqual(
    (await found(path)).map(({ number, offset, sizeBytes }) => [number, offset / 4096, sizeBytes / 4096]),
    [1, 5].map((number, index) => [number, ...rows[index]!]),
  );
});

testSfdisk('so are those of an MBR, with logical ones in an extended one, up to 2 TiB', async (t) => {
  const path = disk(
    t,
    2 * 1024 * GiB - MiB,
    `label: dos
1: size=20MiB, type=83
3: size=1TiB, type=5
4: size=10MiB, type=82
5: size=3MiB
6: size=500GiB
7: size=4MiB
`,
  );
  t.is((await found(path)).length, 5);
  t.deepEqual(await found(path), told(path));
});

testSfdisk('a GPT whose first copy is damaged is read from the end of the disk; both: corrupt', async (t) => {
  const path = disk(t, 64 * MiB, gpt);
  const before = await found(path);
  const bytes = readFileSync(path);
  bytes[512 + 60]! ^= 1;
  writeFileSync(path, bytes);
  t.deepEqual(await found(path), before);
  bytes[bytes.length - 512 + 60]! ^= 1;
  writeFileSync(path, bytes);
  await failsWith(t, 'corrupt', () => found(path));
});

testSfdisk('one that is not there is an error that says which are', async (t) => {
  const path = disk(t, 64 * MiB, gpt);
  const device = open(path);
  const error = await failsWith(t, 'not-found', () => findPartition(device, 3, path));
  t.is(error?.message, `'${path}' has no partition 3: it has the partitions 1 (3 MiB), 2 (5 MiB), 7 (10 MiB)`);
  await device.close();
});

test('a disk without a table has no partitions', async (t) => {
  for (const size of [0, 511, 512, 4096, MiB]) t.deepEqual(await found(disk(t, size)), []);
  const path = disk(t, MiB);
  const device = open(path);
  const error = await failsWith(t, 'not-found', () => findPartition(device, 1, path));
  t.regex(error!.message, /it has no partition table$/);
  await device.close();
});

testSfdisk('one that goes beyond the end of the disk is corrupt', async (t) => {
  const path = disk(t, 64 * MiB, 'label: dos\n1: size=30MiB\n');
  truncateSync(path, 20 * MiB);
  const device = open(path);
  await failsWith(t, 'corrupt', () => findPartition(device, 1, path));
  await device.close();
});

testSfdisk('whatever is damaged in a table, it is read or refused, and nothing else', async (t) => {
  const logical = 'label: dos\n1: size=2MiB\n2: type=5\n5: size=1MiB\n6: size=1MiB\n7: size=1MiB\n';
  for (const script of [gpt, logical]) {
    const path = disk(t, 32 * MiB, script);
    const whole = readFileSync(path);
    // Where tables are: the first sectors, the last ones, and those in front of each logical partition.
    const between = (await found(path)).map(({ offset }) => offset - MiB).filter((place) => place > 0);
    const places = [0, 4096, whole.length - 4096, ...between];
    let refused = 0;
    for (let seed = 1; seed <= cases; seed += 1) {
      const random = new SeededRandom(seed);
      const device = memoryDevice(random.oneIn(10) ? 4096 * (1 + random.below(8192)) : whole.length);
      const fits = places.filter((place) => place + 4096 <= device.sizeBytes);
      for (const place of fits) await device.write(place, whole.subarray(place, place + 4096), false);
      for (let count = 1 + random.below(3); count > 0; count -= 1) {
        const at = random.pick(fits) + random.pick([random.below(1024), 446 + random.below(64)]);
        await device.write(at, new Uint8Array([random.pick([0, 5, 0xee, 0xff, 1])]), false);
      }
      try {
        for (const { number } of await partitionsOf(device, path)) await findPartition(device, number, path);
      } catch (error) {
        if (!(error instanceof AshlarError)) throw error;
        refused += 1;
      }
    }
    t.true(refused > 0 && refused < cases, `${refused} of ${cases} were refused`);
  }
});
