import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryDevice } from '@ashlar/block';
import { MiB, type BlockDevice } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { failsWith, testWithTools } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { createImage } from '../create-image.ts';
import { openSource, type HostSource } from '../open-source.ts';
import { mbrBytes } from './mbr.ts';
import { openPartition } from './open-partition.ts';

const testSfdisk = testWithTools(test, 'sfdisk');
const host = createRealHost();

function directory(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'ashlar-partition-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

/** A raw disk of 16 MiB with the partitions 1 (2 MiB) and 2 (5 MiB). */
function partitioned(t: ExecutionContext): string {
  const path = join(directory(t), 'disk.raw');
  writeFileSync(path, '');
  truncateSync(path, 16 * MiB);
  execFileSync('sfdisk', ['--quiet', path], { input: 'label: gpt\n1: size=2MiB\n2: size=5MiB\n', stdio: 'pipe' });
  return path;
}

const partitionOf = (path: string, partition: number, format: 'raw' | 'qcow2' = 'raw'): HostSource => ({
  path,
  format,
  followsFiles: false,
  isShared: false,
  isSaidRaw: false,
  partition,
});

testSfdisk('a partition is a device of its own, and what is written lies inside it', async (t) => {
  const path = partitioned(t);
  const device = await openSource(host, partitionOf(path, 2), false);
  t.is(device.sizeBytes, 5 * MiB);
  const bytes = Buffer.alloc(4096, 7);
  await device.write(device.sizeBytes - 4096, bytes, false);
  await failsWith(t, 'out-of-range', () => device.write(device.sizeBytes, bytes, false));
  await device.close();
  const { partitiontable } = JSON.parse(execFileSync('sfdisk', ['--json', path], { encoding: 'utf8' })) as {
    partitiontable: { partitions: { start: number; size: number }[] };
  };
  const { start, size } = partitiontable.partitions[1]!;
  const end = (start + size) * 512;
  t.deepEqual(readFileSync(path).subarray(end - 4096, end), bytes);
  t.is(partitiontable.partitions.length, 2);
});

testSfdisk('two partitions of one image are written at once, each until it is closed', async (t) => {
  const raw = partitioned(t);
  const path = join(directory(t), 'disk.qcow2');
  await createImage(host, path, { format: 'qcow2', sizeBytes: 16 * MiB });
  const whole = await openSource(host, { ...partitionOf(path, 1, 'qcow2'), partition: undefined }, false);
  await whole.write(0, readFileSync(raw), false);
  await failsWith(t, 'busy', () => openSource(host, partitionOf(path, 1, 'qcow2'), false));
  await whole.close();

  const open = (partition: number, readOnly = false): Promise<BlockDevice> =>
    openSource(host, partitionOf(path, partition, 'qcow2'), readOnly);
  const [first, second] = await Promise.all([open(1), open(2)]);
  await first.write(0, Buffer.alloc(4096, 1), false);
  await second.write(0, Buffer.alloc(4096, 2), false);
  await first.close();
  await second.write(4096, Buffer.alloc(4096, 3), false);
  const again = await open(1, true);
  await failsWith(t, 'read-only', () => again.write(0, Buffer.alloc(4096), false));
  const found = Buffer.alloc(4096);
  await again.read(0, found);
  t.deepEqual(found, Buffer.alloc(4096, 1));
  await again.close();
  await second.close();

  const behind = await open(2, true);
  const both = Buffer.alloc(8192);
  await behind.read(0, both);
  t.deepEqual(both, Buffer.concat([Buffer.alloc(4096, 2), Buffer.alloc(4096, 3)]));
  await behind.close();
});

testSfdisk('one partition is written by one, and read by others only while nobody writes it', async (t) => {
  const path = partitioned(t);
  const first = await openSource(host, partitionOf(path, 1), false);
  const error = await failsWith(t, 'busy', () => openSource(host, partitionOf(path, 1), true));
  t.is(error?.message, `the partition 1 of '${path}' is in use`);
  await failsWith(t, 'not-found', () => openSource(host, partitionOf(path, 3), false));
  await first.close();
  const readers = [
    await openSource(host, partitionOf(path, 1), true),
    await openSource(host, partitionOf(path, 1), true),
  ];
  for (const reader of readers) await reader.close();
  const writer = await openSource(host, partitionOf(path, 1), false);
  await writer.close();
});

test('of two partitions that have the same bytes one is written at once', async (t) => {
  const disk = memoryDevice(MiB);
  const table = Buffer.alloc(mbrBytes);
  for (const [at, start] of [100, 150].entries()) {
    table[446 + at * 16 + 4] = 0x83;
    table.writeUInt32LE(start, 446 + at * 16 + 8);
    table.writeUInt32LE(100, 446 + at * 16 + 12);
  }
  table.writeUInt16LE(0xaa55, 510);
  await disk.write(0, table, false);
  const source = {
    name: 'same bytes',
    path: 'disk',
    readOnly: false,
    openDisk: () => Promise.resolve({ disk, sectorBytes: undefined }),
  };
  const first = await openPartition(1, source);
  const error = await failsWith(t, 'busy', () => openPartition(2, source));
  t.is(error?.message, "the partition 2 of 'disk' has bytes of the partition 1, which is in use");
  await first.close();
});
