import { KiB, MiB } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { failsWith, SimulatedMachine, withFiles } from '@ashlar/testing';
import test from 'ava';
import { openLocked } from '../lock.ts';
import { activePath } from './active.ts';
import { commitText, textOf } from './commit.ts';
import { withNextNumber } from './edit.ts';
import { createGroup, extendGroup } from './group-commands.ts';
import { allocatedRuns, type VolumeGroup } from './group.ts';
import { scan } from './scan.ts';
import { printText } from './text/print.ts';
import { createLogical, extendLogical, removeLogical, renameLogical } from './volume-commands.ts';

const paths = ['/a', '/b', '/c'];
const options = { paths, description: 'test', lockDirectory: '/locks' };
const plain = {
  name: undefined,
  stripes: 1,
  stripeBytes: 64 * KiB,
  devices: [],
  tags: [],
  isReadOnly: false,
  isContiguous: false,
  zeroes: true,
};

const newGroup = {
  ...options,
  overwrite: false,
  extentBytes: 64 * KiB,
  maxLogicalVolumes: 0,
  maxPhysicalVolumes: 0,
  tags: [],
};

const create = (host: Host, name: string, extents: number, more: object = {}) =>
  createLogical(host, 'vg', { ...plain, name, extentsOf: () => extents, ...more }, options);

async function machineWith(seed: number, devices: readonly string[] = paths): Promise<SimulatedMachine> {
  const machine = new SimulatedMachine(seed);
  machine.makeDurableDirectory('/locks');
  for (const path of paths) {
    const file = machine.host.open(path, { create: true });
    file.truncate(3 * MiB);
    await machine.finish(file.sync());
    file.close();
  }
  await machine.finish(machine.host.syncDirectory('/'));
  await machine.finish(createGroup(machine.host, 'vg', devices, newGroup));
  return machine;
}

async function groupOn(machine: SimulatedMachine): Promise<VolumeGroup> {
  const { groups } = await machine.finish(scan(machine.host, paths));
  return groups[0]!.group;
}

const places = ({ logicalVolumes }: VolumeGroup): Record<string, string> =>
  Object.fromEntries(
    logicalVolumes.map(({ name, segments }) => [
      name,
      segments
        .map(
          (each) =>
            `${each.extentCount}:${each.kind === 'striped' ? each.areas.map(({ extent, name: key }) => `${key}+${extent}`).join() : each.kind}`,
        )
        .join(' '),
    ]),
  );

test('volumes are made, grow where they end or elsewhere, are renamed and removed', async (t) => {
  const machine = await machineWith(1);
  const { host } = machine;
  await machine.finish(create(host, 'one', 10));
  await machine.finish(create(host, 'two', 4, { stripes: 2, isReadOnly: true, tags: ['x'] }));
  await machine.finish(extendLogical(host, 'vg', 'two', { extentsOf: () => 10, devices: [] }, options));
  await machine.finish(extendLogical(host, 'vg', 'one', { extentsOf: () => 14, devices: [] }, options));
  await machine.finish(create(host, 'three', 40));
  await machine.finish(renameLogical(host, 'vg', 'three', '3', options));
  t.deepEqual(places(await groupOn(machine)), {
    one: '10:pv0+0 4:pv0+15',
    two: '10:pv0+10,pv1+0',
    3: '32:pv2+0 8:pv0+19',
  });
  await machine.finish(removeLogical(host, 'vg', ['one', 'two'], options));
  const group = await groupOn(machine);
  t.is(group.seqno, 8);
  t.deepEqual(
    [...allocatedRuns(group).values()].map((runs) => runs.map(({ start, count }) => [start, count])),
    [[[19, 8]], [], [[0, 32]]],
  );
});

test('what there is no room for, or what cannot be, is refused, and nothing is written', async (t) => {
  const machine = await machineWith(2);
  const { host } = machine;
  await machine.finish(create(host, 'one', 10));
  const before = await groupOn(machine);
  const refused = (kind: Parameters<typeof failsWith>[1], run: () => Promise<unknown>): Promise<unknown> =>
    failsWith(t, kind, () => machine.finish(run()).then(() => undefined));
  await refused('exists', () => create(host, 'one', 1));
  await refused('no-space', () => create(host, 'two', 1000));
  await refused('no-space', () => create(host, 'two', 40, { isContiguous: true }));
  await refused('no-space', () => create(host, 'two', 4, { stripes: 4 }));
  await refused('invalid', () => create(host, 'snapshot1', 1));
  await refused('invalid', () => create(host, 'a/b', 1));
  await refused('invalid', () => create(host, 'x_tdata', 1));
  await refused('invalid', () => create(host, 'x', 1, { tags: ['a b'] }));
  await refused('invalid', () => create(host, 'x', 2, { stripes: 2, stripeBytes: 1000 }));
  await refused('not-found', () => create(host, 'x', 2, { devices: ['/d'] }));
  await refused('invalid', () => extendLogical(host, 'vg', 'one', { extentsOf: () => 10, devices: [] }, options));
  await refused('not-found', () => removeLogical(host, 'vg', ['two'], options));
  await refused('exists', () => renameLogical(host, 'vg', 'one', 'one', options));
  await refused('exists', () => createGroup(host, 'other', ['/a'], newGroup));
  await refused('exists', () => createGroup(host, 'vg', ['/c'], newGroup));
  await refused('not-found', () => extendGroup(host, 'none', ['/c'], { ...options, overwrite: false }));
  t.deepEqual(await groupOn(machine), before);
});

test('a group that is locked, held or incomplete is not written', async (t) => {
  const machine = await machineWith(3);
  const { host } = machine;
  const refused = (kind: Parameters<typeof failsWith>[1], run: () => Promise<unknown>): Promise<unknown> =>
    failsWith(t, kind, () => machine.finish(run()).then(() => undefined));
  const lock = host.open('/locks/V_vg', { create: true });
  t.true(lock.tryLock(true));
  await refused('busy', () => create(host, 'one', 1));
  lock.close();
  const device = openLocked(host, '/b', 'read');
  await refused('busy', () => create(host, 'one', 1));
  device.close();
  await refused('corrupt', () =>
    createLogical(host, 'vg', { ...plain, name: 'one', extentsOf: () => 1 }, { ...options, paths: ['/a', '/b'] }),
  );
  await machine.finish(create(host, 'one', 1));
  t.deepEqual(Object.keys(places(await groupOn(machine))), ['one']);
  t.deepEqual(host.list('/locks'), []);
});

test('a group with what is not understood, or that is not ours, is read and not written', async (t) => {
  for (const [kind, why, entry] of [
    ['unsupported', /'mystery', which is not understood/, ['mystery', 1]],
    [
      'unsupported',
      /the status 'CLUSTERED', which is not understood/,
      ['status', ['RESIZEABLE', 'READ', 'WRITE', 'CLUSTERED']],
    ],
    ['denied', /shared between machines/, ['lock_type', 'sanlock']],
    ['denied', /belongs to the machine 'other'/, ['system_id', 'other']],
    ['denied', /is exported/, ['status', ['RESIZEABLE', 'READ', 'WRITE', 'EXPORTED']]],
    ['read-only', /is read-only/, ['status', ['RESIZEABLE', 'READ']]],
  ] as const) {
    const machine = await machineWith(7);
    const { host } = machine;
    const [found] = (await machine.finish(scan(host, paths))).groups;
    const tree = withNextNumber(new Map([...found!.group.tree, entry]), 1);
    const files = [...found!.found.values()].map(({ areas, path }) => ({
      file: host.open(path, {}),
      header: areas[0]!.header!,
    }));
    await machine.finish(commitText(files, Buffer.from(printText(textOf(host, 'vg', tree, 'test')))));
    for (const { file } of files) file.close();
    t.is((await groupOn(machine)).seqno, 2);
    const error = await failsWith(t, kind, () => machine.finish(create(host, 'one', 1)).then(() => undefined));
    t.regex(error!.message, why);
  }
});

test('wherever a change is cut off by the loss of power, the old group or the new one is there, whole, and goes on', async (t) => {
  const seen = new Set<string>();
  for (let steps = 0; steps < 120; steps += 1) {
    const machine = await machineWith(steps);
    await machine.finish(create(machine.host, 'one', 10));
    const change = create(machine.host, 'two', 5);
    change.catch(() => undefined);
    for (let step = 0; step < steps; step += 1) await machine.step();
    machine.crash(steps % 4 !== 0);
    const group = await groupOn(machine);
    const names = group.logicalVolumes.map(({ name }) => name).join();
    seen.add(`${group.seqno}:${names}`);
    await machine.finish(create(machine.host, 'three', 1));
    const after = await machine.finish(scan(machine.host, paths));
    t.deepEqual(after.groups[0]!.faults, []);
    t.is(after.groups[0]!.group.logicalVolumes.map(({ name }) => name).join(), `${names},three`);
  }
  t.deepEqual([...seen].sort(), ['2:one', '3:one,two']);
});

test('a group that is made, or extended, and cut off is there whole or not at all', async (t) => {
  const seen = new Set<string>();
  for (let steps = 0; steps < 100; steps += 1) {
    const machine = await machineWith(steps, ['/a']);
    const change = extendGroup(machine.host, 'vg', ['/b', '/c'], { ...options, overwrite: false });
    change.catch(() => undefined);
    for (let step = 0; step < steps; step += 1) await machine.step();
    machine.crash(steps % 4 !== 0);
    const { groups } = await machine.finish(scan(machine.host, paths));
    t.is(groups.length, 1);
    t.deepEqual(groups[0]!.missing, []);
    t.deepEqual(
      groups[0]!.faults.filter(({ isBehind }) => !isBehind),
      [],
    );
    seen.add(`${groups[0]!.group.seqno}:${groups[0]!.found.size}`);
  }
  t.deepEqual([...seen].sort(), ['1:1', '2:3']);
});

test('a change that meets an error of the disk before it is committed is as if it had not been', async (t) => {
  const machine = await machineWith(4);
  let left = 0;
  const failing = withFiles(machine.host, (file) =>
    file.path !== '/b'
      ? file
      : new Proxy(file, {
          get: (target, name) => {
            if (name === 'sync' && left > 0) {
              left -= 1;
              if (left === 0) return () => Promise.reject(new Error('the disk is broken'));
            }
            const found: unknown = Reflect.get(target, name, target);
            return typeof found === 'function' ? found.bind(target) : found;
          },
        }),
  );
  for (const failure of [1, 2]) {
    left = failure;
    await t.throwsAsync(machine.finish(create(failing, 'one', 1)), { message: 'the disk is broken' });
    const { groups } = await machine.finish(scan(machine.host, paths));
    t.is(groups[0]!.group.seqno, 1);
    for (const physical of groups[0]!.found.values()) t.is(physical.areas[0]!.header!.prepared, undefined);
  }
});

test('a text that does not fit an area is refused before anything is written', async (t) => {
  const machine = await machineWith(5);
  const { groups } = await machine.finish(scan(machine.host, paths));
  const [physical] = [...groups[0]!.found.values()];
  const file = machine.host.open('/a', {});
  const areas = [{ file, header: physical!.areas[0]!.header! }];
  await failsWith(t, 'no-space', () => machine.finish(commitText(areas, Buffer.alloc(1_043_000))));
  file.close();
  t.deepEqual(await machine.finish(scan(machine.host, paths)).then((found) => found.groups), groups);
});

test('a volume that the kernel has is found by its id, and a file that it has as a loop device is left alone', async (t) => {
  const machine = await machineWith(6);
  const { host } = machine;
  const { group } = await machine.finish(create(host, 'one', 1));
  await machine.finish(create(host, 'two', 1));
  const ids = `${group.id}${group.logicalVolumes[0]!.id}`.replaceAll('-', '');
  for (const [device, folder, fact, text] of [
    ['dm-0', 'dm', 'uuid', `LVM-${ids}-real\n`],
    ['dm-1', 'dm', 'uuid', `LVM-${ids}\n`],
    ['loop3', 'loop', 'backing_file', '/b\n'],
  ] as const) {
    for (const path of ['/sys', '/sys/block', `/sys/block/${device}`, `/sys/block/${device}/${folder}`])
      if (host.stat(path) === undefined) host.makeDirectory(path);
    const file = host.open(`/sys/block/${device}/${folder}/${fact}`, { create: true });
    await machine.finish(file.write(0, Buffer.from(text)));
    file.close();
  }
  t.is(await machine.finish(activePath(host, { paths, group: 'vg', volume: 'one' })), '/dev/dm-1');
  t.is(await machine.finish(activePath(host, { paths, group: 'vg', volume: 'two' })), undefined);
  const change = (): Promise<unknown> => machine.finish(create(host, 'three', 1));
  const error = await failsWith(t, 'busy', () => change().then(() => undefined));
  t.regex(error!.message, /is attached to \/dev\/loop3/);
});
