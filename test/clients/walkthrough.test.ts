import { statfsSync } from 'node:fs';
import { GiB } from '@ashlar/core';
import { testWithTools } from '@ashlar/testing';
import test from 'ava';
import { ashlarAlone, directory, long, shell } from './served.ts';

const testQemu = testWithTools(test, 'qemu-img');

/** Images of 10 GiB whose room is taken: by the long run, which has it. */
const preallocations = long ? ['off', 'falloc', 'full'] : ['off'];

for (const preallocation of preallocations) {
  testQemu(`step 1: a raw image of 10 GiB, preallocation ${preallocation}, is as qemu-img makes it`, async (t) => {
    t.timeout(600_000);
    const cwd = directory(t);
    const { bavail, bsize } = statfsSync(cwd);
    if (preallocation !== 'off' && bavail * bsize < 30 * GiB) {
      t.log('there is no room for 20 GiB here');
      t.pass();
      return;
    }
    const minutes = { cwd, timeoutMs: 300_000 };
    const create = `create -f raw -o preallocation=${preallocation} NAME 10G`;
    await ashlarAlone(`image ${create.replace('NAME', 'ours.raw')}`, minutes);
    await shell(`qemu-img ${create.replace('NAME', 'theirs.raw')}`, minutes);
    const [ours, theirs] = (await shell('du -h ours.raw theirs.raw', { cwd }))
      .split('\n')
      .map((line) => line.split('\t')[0]);
    // qemu-img writes a first block, by which it finds out how a disk wants to be written.
    t.is(theirs, preallocation === 'off' ? '4.0K' : '11G');
    t.is(ours, preallocation === 'off' ? '0' : '11G');
    const info = await ashlarAlone('image info -f raw ours.raw', { cwd });
    t.is(info, await shell('qemu-img info -f raw ours.raw', { cwd }));
    t.regex(info, /^virtual size: 10 GiB \(10737418240 bytes\)$/m);
    t.regex(info, preallocation === 'off' ? /^disk size: 0 B$/m : /^disk size: 10 GiB$/m);
  });
}

testQemu('step 8: the qcow2 image behind a virtual disk of 40 GiB is shown with its figures', async (t) => {
  const cwd = directory(t);
  await shell('truncate -s 2G base.raw && qemu-img convert -f raw -O qcow2 base.raw base.qcow2', { cwd });
  await ashlarAlone('image create -f qcow2 -b base.qcow2 -F qcow2 instance.qcow2 40G', { cwd });
  const info = await ashlarAlone('image info instance.qcow2', { cwd });
  t.is(info, await shell('qemu-img info instance.qcow2', { cwd }));
  for (const line of [
    'virtual size: 40 GiB (42949672960 bytes)',
    'cluster_size: 65536',
    'backing file: base.qcow2',
    '    compat: 1.1',
    '    lazy refcounts: false',
    '    refcount bits: 16',
    '    corrupt: false',
  ]) {
    t.true(
      info.split('\n').some((found) => found.startsWith(line)),
      `${line} in\n${info}`,
    );
  }
});
