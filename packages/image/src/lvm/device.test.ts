import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sliceDevice } from '@ashlar/block';
import { GiB, KiB, MiB } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { blockDeviceContract, failsWith } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { createGroup } from './group-commands.ts';
import { openLogical } from './open-logical.ts';
import { createLogical, removeLogical } from './volume-commands.ts';

const host = createRealHost();
const extentBytes = 4 * KiB;

async function groupOf(count: number, sizeBytes: number, extent = extentBytes) {
  const directory = mkdtempSync(join(tmpdir(), 'ashlar-lvm-'));
  const paths = Array.from({ length: count }, (_, at) => join(directory, `pv${at}`));
  for (const path of paths) {
    writeFileSync(path, '');
    truncateSync(path, sizeBytes);
  }
  const options = { paths, description: 'test', lockDirectory: join(directory, 'locks') };
  const more = { overwrite: false, extentBytes: extent, maxLogicalVolumes: 0, maxPhysicalVolumes: 0, tags: [] };
  await createGroup(host, 'vg', paths, { ...options, ...more });
  return { directory, paths, options };
}

const make = ({ options }: Awaited<ReturnType<typeof groupOf>>, name: string, extents: number, more: object = {}) =>
  createLogical(
    host,
    'vg',
    {
      name,
      extentsOf: () => extents,
      stripes: 1,
      stripeBytes: 4 * KiB,
      devices: [],
      tags: [],
      isReadOnly: false,
      isContiguous: false,
      zeroes: false,
      ...more,
    },
    options,
  );

for (const [kind, stripes, devices] of [
  ['linear', 1, 2],
  ['striped', 3, 3],
] as const) {
  blockDeviceContract(test, `${kind} logical volume`, {
    create: async (sizeBytes) => {
      const extents = Math.ceil(sizeBytes / extentBytes / stripes) * stripes;
      // What is linear goes over from one device to the next in the middle.
      const dataBytes = (extents * extentBytes) / (stripes === 1 ? 1.9 : stripes);
      const made = await groupOf(devices, 2 * MiB + Math.ceil(dataBytes / 512) * 512);
      await make(made, 'lv', extents, { stripes });
      const open = async () => {
        const device = await openLogical(host, { paths: made.paths, group: 'vg', volume: 'lv' }, false);
        // A volume has whole extents.
        return device.sizeBytes === sizeBytes ? device : sliceDevice(device, 0, sizeBytes);
      };
      let current = await open();
      return {
        device: current,
        reopen: async () => {
          await current.close();
          current = await open();
          return current;
        },
        dispose: () => rmSync(made.directory, { recursive: true }),
      };
    },
    sizeUnitBytes: extentBytes * stripes,
  });
}

async function filled(t: ExecutionContext) {
  const made = await groupOf(2, 3 * GiB, 4 * MiB);
  t.teardown(() => rmSync(made.directory, { recursive: true }));
  await make(made, 'a', 100);
  await make(made, 'b', 100, { stripes: 2, stripeBytes: 64 * KiB });
  await make(made, 'c', 10, { isReadOnly: true });
  return made;
}

test('volumes of a group are written beside each other, and by one thread only', async (t) => {
  const { options, paths } = await filled(t);
  const name = (volume: string) => ({ paths, group: 'vg', volume });
  const a = await openLogical(host, name('a'), false);
  const b = await openLogical(host, name('b'), false);
  const reader = await openLogical(host, name('a'), true);
  await a.write(0, new Uint8Array(MiB).fill(1), false);
  await b.write(0, new Uint8Array(MiB).fill(2), false);
  await b.write(b.sizeBytes - 7, new Uint8Array(7).fill(3), true);
  const into = new Uint8Array(MiB);
  await reader.read(0, into);
  t.true(into.every((byte) => byte === 1));
  await b.read(b.sizeBytes - MiB, into);
  t.is(into.indexOf(3), MiB - 7);
  await failsWith(t, 'busy', () => removeLogical(host, 'vg', ['c'], options).then(() => undefined));
  await a.close();
  await b.close();
  await failsWith(t, 'busy', () => removeLogical(host, 'vg', ['c'], options).then(() => undefined));
  await reader.close();
  await removeLogical(host, 'vg', ['c'], options);
});

test('holes of a striped volume are told by its stripes, and a range of it is given up at once', async (t) => {
  const { paths } = await filled(t);
  const device = await openLogical(host, { paths, group: 'vg', volume: 'b' }, false);
  await device.write(64 * KiB, new Uint8Array(64 * KiB).fill(1), false);
  const found = await device.extents(0, 256 * KiB, 10);
  t.deepEqual(
    found.map(({ length, offset, state }) => [offset / KiB, length / KiB, state]),
    [
      [0, 64, 'hole'],
      [64, 64, 'data'],
      [128, 128, 'hole'],
    ],
  );
  await device.zero(0, device.sizeBytes, 'may-trim', false);
  t.deepEqual(await device.extents(0, 256 * KiB, 10), [{ offset: 0, length: 256 * KiB, state: 'hole' }]);
  await device.close();
});

test('what must not be written, or is not there, is refused in a sentence', async (t) => {
  const { paths } = await filled(t);
  const open = (volume: string, readOnly: boolean, from = paths) =>
    openLogical(host, { paths: from, group: 'vg', volume }, readOnly).then(() => undefined);
  await failsWith(t, 'read-only', () => open('c', false));
  await failsWith(t, 'not-found', () => open('d', true));
  await failsWith(t, 'not-found', () => open('b', true, paths.slice(0, 1)));
  await failsWith(t, 'corrupt', () => open('b', false, paths.slice(0, 1)));
  await failsWith(t, 'not-found', () =>
    openLogical(host, { paths, group: 'none', volume: 'a' }, true).then(() => undefined),
  );
  const device = await openLogical(host, { paths: paths.slice(0, 1), group: 'vg', volume: 'a' }, true);
  await failsWith(t, 'read-only', () => device.write(0, new Uint8Array(512), false));
  await device.close();
});
