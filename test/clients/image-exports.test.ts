import { join } from 'node:path';
import { mergeExtents, type Extent } from '@ashlar/core';
import { testWithTools } from '@ashlar/testing';
import test from 'ava';
import { ashlar, directory, serve, shell } from './served.ts';

const testQemu = testWithTools(test, 'qemu-img', 'nbdinfo');

/** A qcow2 image with some data, compressed clusters, and a base that it is over. */
const makeImages = `head -c 3000000 /usr/bin/qemu-img > some.raw && truncate -s 20M some.raw
  qemu-img convert -c -f raw -O qcow2 some.raw base.qcow2
  qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 top.qcow2
  qemu-io -c 'write -P 7 1M 2M' -c 'write -z 12M 1M' top.qcow2`;

testQemu('a qcow2 image is served as QEMU reads it, with its holes', async (t) => {
  const cwd = directory(t);
  await shell(makeImages, { cwd });
  const data = join(cwd, 'data');
  const { server } = await serve(t, data, '1M');
  await ashlar(data, `export add golden qcow2://${cwd}/base.qcow2 --read-only`);
  await ashlar(data, `export add chained 'qcow2://${cwd}/top.qcow2?follow=on' --read-only`);
  await shell(`qemu-img compare -f raw -F qcow2 ${server}/golden base.qcow2`, { cwd });
  await shell(`qemu-img compare -f raw -F qcow2 ${server}/chained top.qcow2`, { cwd });
  type Run = { data: boolean; start: number; length: number };
  const dataOf = async (options: string): Promise<Extent[]> => {
    const runs = JSON.parse(await shell(`qemu-img map --output json ${options}`, { cwd })) as Run[];
    return mergeExtents(
      runs.filter(({ data: isData }) => isData).map(({ start, length }) => ({ offset: start, length, state: 'data' })),
    );
  };
  t.deepEqual(await dataOf(`-f raw ${server}/chained`), await dataOf('-f qcow2 top.qcow2'));
});

testQemu('files that an image names are not opened unless that is asked for', async (t) => {
  const cwd = directory(t);
  await shell(makeImages, { cwd });
  const data = join(cwd, 'data');
  await serve(t, data, '1M');
  await t.throwsAsync(ashlar(data, `export add top qcow2://${cwd}/top.qcow2 --read-only`), {
    message: /is backed by 'base.qcow2', and files that an image names are not opened here/,
  });
});

testQemu('what is no image, or would be written, is refused with a sentence', async (t) => {
  const cwd = directory(t);
  await shell(makeImages, { cwd });
  const data = join(cwd, 'data');
  await serve(t, data, '1M');
  await t.throwsAsync(ashlar(data, `export add base qcow2://${cwd}/base.qcow2`), { message: /add --read-only/ });
  await t.throwsAsync(ashlar(data, `export add odd 'qcow2://${cwd}/base.qcow2?other=1' --read-only`), {
    message: /cannot be exported/,
  });
  await t.throwsAsync(ashlar(data, `export add raw qcow2://${cwd}/some.raw --read-only`), {
    message: /is not a qcow2 image/,
  });
});
