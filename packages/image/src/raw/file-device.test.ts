import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { TiB } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { blockDeviceContract, failsWith } from '@ashlar/testing';
import { createFileDevice } from './file-device.ts';

function newFile(sizeBytes: number): { path: string; remove: () => void } {
  const directory = mkdtempSync(join(tmpdir(), 'ashlar-file-'));
  const path = join(directory, 'disk.raw');
  const file = createRealHost().open(path, { create: true });
  file.truncate(sizeBytes);
  file.close();
  return { path, remove: () => rmSync(directory, { recursive: true }) };
}

blockDeviceContract(test, 'file', {
  create: (sizeBytes) => {
    const { path, remove } = newFile(sizeBytes);
    const open = () => createFileDevice(createRealHost().open(path, {}), { readOnly: false });
    const device = open();
    let current = device;
    return {
      device,
      reopen: async () => {
        await current.close();
        current = open();
        return current;
      },
      dispose: remove,
    };
  },
  sparseSizeBytes: TiB,
});

test('a file of odd size is served to its last byte, read-only when asked', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'ashlar-file-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'odd');
  writeFileSync(path, 'twelve bytes');
  const device = createFileDevice(createRealHost().open(path, { readOnly: true }), { readOnly: true });
  const found = new Uint8Array(5);
  await device.read(7, found);
  t.is(Buffer.from(found).toString(), 'bytes');
  t.is(device.sizeBytes, 12);
  await failsWith(t, 'read-only', () => device.write(0, found, false));
  await failsWith(t, 'out-of-range', () => device.read(8, found));
  await device.close();
});

test('a file that became shorter is an error, never zeros', async (t) => {
  const { path, remove } = newFile(8192);
  t.teardown(remove);
  const host = createRealHost();
  const device = createFileDevice(host.open(path, {}), { readOnly: false });
  const other = host.open(path, {});
  other.truncate(4096);
  other.close();
  await failsWith(t, 'io', () => device.read(0, new Uint8Array(8192)));
  await device.close();
});
