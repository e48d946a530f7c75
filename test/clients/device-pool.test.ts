import { join } from 'node:path';
import { testAsRoot } from '@ashlar/testing';
import test from 'ava';
import { loopDeviceOf, loopTools, why } from './loop-device.ts';
import { ashlar, directory, qemuIo, serve, shell } from './served.ts';

const testDevice = testAsRoot(test, ...loopTools, 'qemu-io');

testDevice(`a pool on a device is served, killed, and found again with all of it${why}`, async (t) => {
  const cwd = directory(t);
  const data = join(cwd, 'data');
  await shell('truncate -s 65M disk.raw', { cwd });
  const device = await loopDeviceOf(t, cwd, 'disk.raw');
  const first = await serve(t, data, '1G', '--device', device);
  await qemuIo(first.uri, 'write -P 1 0 20M', 'write -P 2 100M 4k', 'flush');
  await ashlar(data, 'volume snapshot demo@before');
  await qemuIo(first.uri, 'write -P 3 1M 64k', 'discard 10M 1M', 'write -P 4 500M 4k');
  const status = JSON.parse(await ashlar(data, 'status --json')) as { pool: { device: string; capacityBytes: number } };
  t.is(status.pool.device, device);
  t.is(status.pool.capacityBytes, 64 * 2 ** 20);
  await t.throwsAsync(shell(`mkfs.ext4 -q ${device}`), { message: /apparently in use|in use by the system/ });
  await first.kill();

  const second = await serve(t, data, '1G');
  const found = ['read -P 1 0 1M', 'read -P 3 1M 64k', 'read -P 0 10M 1M', 'read -P 2 100M 4k', 'read -P 4 500M 4k'];
  await qemuIo(second.uri, ...found);
  await qemuIo(`${second.server}/demo@before`, 'read -P 1 0 20M', 'read -P 0 500M 4k');
  // As much again has its room; more has not, and what is there stays.
  await qemuIo(second.uri, 'write -P 5 200M 30M');
  await t.throwsAsync(qemuIo(second.uri, 'write -P 6 300M 64M'), { message: /No space left/ });
  await qemuIo(second.uri, 'write -P 7 200M 30M', 'read -P 7 200M 30M', ...found);
  await t.throwsAsync(ashlar(data, 'volume compress demo zstd'), {
    message: /a pool on a device has no compressed volumes/,
  });
  await second.stop();
  t.regex(await ashlar(data, 'check'), /: no problems\nvolume demo: .* read, no damage\n[^]*everything is in order\n$/);
});

testDevice(`a device that something is on is refused, and stays as it is${why}`, async (t) => {
  const cwd = directory(t);
  await shell('truncate -s 64M disk.raw && mkfs.ext4 -q disk.raw && cp disk.raw before.raw', { cwd });
  const device = await loopDeviceOf(t, cwd, 'disk.raw');
  await t.throwsAsync(serve(t, join(cwd, 'data'), '1G', '--device', device), {
    message: /is in use: its first MiB is not empty\. If nothing on it is needed: dd if=\/dev\/zero/,
  });
  await shell('sync disk.raw; cmp disk.raw before.raw', { cwd });
  await t.throwsAsync(serve(t, join(cwd, 'data'), '1G', '--device', join(cwd, 'disk.raw')), {
    message: /is no block device/,
  });
});
