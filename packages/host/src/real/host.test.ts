import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MiB } from '@ashlar/core';
import { failsWith, hostContract, sameBytes, testAsRoot, type HostFixture } from '@ashlar/testing';
import test from 'ava';
import { addressOf } from '../ffi/memory.ts';
import { createRealHost } from './host.ts';

function fixtureUnder(parent: string): HostFixture {
  const directory = mkdtempSync(join(parent, 'ashlar-host-'));
  return {
    host: createRealHost(),
    directory,
    dispose: () => rmSync(directory, { recursive: true, force: true }),
  };
}

hostContract(test, 'real host', () => fixtureUnder(tmpdir()));

/** A file system in memory answers reads another way. */
const memory = '/dev/shm';
if (existsSync(memory)) hostContract(test, 'real host in memory', () => fixtureUnder(memory));

test('an error is a sentence with the path and the operation', async (t) => {
  const { host, directory, dispose } = fixtureUnder(tmpdir());
  t.teardown(dispose);
  const error = await failsWith(t, 'not-found', () => host.open(`${directory}/missing`, {}));
  t.is(error?.message, `cannot open ${directory}/missing: no such file or directory (ENOENT)`);
  t.like(error?.context, { operation: 'open', path: `${directory}/missing` });
});

test('a boot is told by the same words each time', (t) => {
  t.regex(createRealHost().bootId(), /^[0-9a-f-]{36}$/);
});

test('the memory of an aligned buffer starts at a multiple of 4 KiB, whatever its length', (t) => {
  const host = createRealHost();
  for (const length of [1, 4095, 4096, 10_000, 2 * MiB, 3 * MiB]) {
    const buffer = host.alignedBuffer(length);
    t.is(buffer.byteLength, length);
    t.is(addressOf(buffer) % 4096, 0);
  }
});

test('each direct transfer is told to have ended, also where the last of several ends while the others are taken', async (t) => {
  const { host, directory, dispose } = fixtureUnder(tmpdir());
  t.teardown(dispose);
  writeFileSync(`${directory}/image`, new Uint8Array(8 * MiB));
  const file = host.open(`${directory}/image`, { direct: true });
  t.teardown(() => file.close());
  const block = 4096;
  const buffers = Array.from({ length: 6 }, () => host.alignedBuffer(block));
  let told = 0;
  for (let round = 0; round < 5000; round += 1) {
    const reads = buffers.map((buffer, index) => file.read(((round * 7 + index * 131) % 2048) * block, buffer));
    for (const count of await Promise.all(reads)) told += count;
  }
  t.is(told, 5000 * buffers.length * block);
});

testAsRoot(test, 'losetup')('a block device is measured, read, written, punched, and ends where it ends', async (t) => {
  const { host, directory, dispose } = fixtureUnder(tmpdir());
  writeFileSync(`${directory}/image`, new Uint8Array(8 * MiB));
  const device = execFileSync('losetup', ['--find', '--show', `${directory}/image`], { encoding: 'utf8' }).trim();
  t.teardown(() => {
    execFileSync('losetup', ['--detach', device]);
    dispose();
  });
  t.like(host.stat(device), { kind: 'device', sizeBytes: 8 * MiB });
  for (const direct of [false, true]) {
    const file = host.open(device, { direct });
    t.true(file.isDevice);
    t.is(file.size(), 8 * MiB);
    const bytes = host.alignedBuffer(MiB).fill(direct ? 7 : 5);
    await file.write(2 * MiB, bytes);
    await file.sync();
    const into = host.alignedBuffer(MiB);
    t.is(await file.read(2 * MiB, into), MiB);
    sameBytes(t, bytes, into, 'written');
    await file.punch(2 * MiB, MiB / 2);
    await file.zeroRange(2.5 * MiB, MiB / 2);
    t.is(await file.read(2 * MiB, into), MiB);
    sameBytes(t, new Uint8Array(MiB), into, 'punched and zeroed');
    await file.allocate(0, 8 * MiB);
    t.deepEqual(file.extents(0, MiB, 4), [{ offset: 0, length: MiB, state: 'data' }]);
    await failsWith(t, 'out-of-range', () => file.write(8 * MiB, bytes));
    await failsWith(t, 'unsupported', () => file.truncate(MiB));
    t.is(await file.read(7.5 * MiB, into), MiB / 2);
    file.close();
  }
});

testAsRoot(
  test,
  'losetup',
  'mkfs.ext4',
)('a device is opened by one alone, and by nobody where a file system is mounted from it', async (t) => {
  const { host, directory, dispose } = fixtureUnder(tmpdir());
  writeFileSync(`${directory}/image`, new Uint8Array(8 * MiB));
  const options = ['--find', '--show', '--sector-size', '4096', `${directory}/image`];
  const device = execFileSync('losetup', options, { encoding: 'utf8' }).trim();
  mkdirSync(`${directory}/a place`);
  t.teardown(() => {
    execFileSync('losetup', ['--detach', device]);
    dispose();
  });
  const file = host.open(device, { exclusive: true });
  t.is(file.sectorBytes, 4096);
  t.true(file.discards);
  const error = await failsWith(t, 'busy', () => host.open(device, { exclusive: true }));
  t.is(error?.message, `${device} is in use: another process has it for itself`);
  host.open(device, { readOnly: true }).close();
  file.close();
  execFileSync('mkfs.ext4', ['-q', device]);
  execFileSync('mount', [device, `${directory}/a place`]);
  try {
    const mounted = await failsWith(t, 'busy', () => host.open(device, { exclusive: true }));
    t.is(mounted?.message, `${device} is in use: ${device.replace('/dev/', '')} is mounted on ${directory}/a place`);
  } finally {
    execFileSync('umount', [`${directory}/a place`]);
  }
});

testAsRoot(test, 'mount')('a full file system says no-space, and takes writes again when there is room', async (t) => {
  const { host, directory, dispose } = fixtureUnder(tmpdir());
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory]);
  t.teardown(() => {
    execFileSync('umount', [directory]);
    dispose();
  });
  const file = host.open(`${directory}/a`, { create: true });
  await failsWith(t, 'no-space', () => file.write(0, new Uint8Array(2 * MiB).fill(1)));
  await failsWith(t, 'no-space', () => file.allocate(0, 2 * MiB));
  await file.punch(0, MiB);
  await file.write(0, new Uint8Array(MiB / 2).fill(2));
  file.close();
});
