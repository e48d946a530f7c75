import { renameSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { directory, serve } from '../command.ts';
import { run } from '../hosted.ts';
import { isAsQemu } from './as-qemu.ts';
import { makeSources, qemuImg } from './sources.ts';

test("disks that QEMU's options name are those that qemu-img finds", async (t) => {
  const cwd = directory(t);
  makeSources(cwd);
  renameSync(join(cwd, 'extended.qcow2'), join(cwd, 'a,b.qcow2'));
  for (const disk of [
    'driver=qcow2,file.filename=top.qcow2',
    'driver=qcow2,file.driver=file,file.filename=./top.qcow2,l2-cache-size=1M',
    'file.filename=top.qcow2,read-only=on,cache.direct=off',
    'driver=raw,file.filename=top.qcow2',
    'driver=qcow2,file.filename=a,,b.qcow2',
    'driver=qcow2,file.filename=none.qcow2',
  ]) {
    await isAsQemu(t, cwd, ['info', '--image-opts', disk]);
    await isAsQemu(t, cwd, ['map', '--image-opts', '--output', 'json', disk]);
    await isAsQemu(t, cwd, ['measure', '-O', 'qcow2', '--image-opts', disk]);
    await isAsQemu(t, cwd, ['compare', '--image-opts', disk, 'driver=qcow2,file.filename=top.qcow2']);
  }
  await isAsQemu(t, cwd, ['check', '--image-opts', 'driver=qcow2,file.filename=base.qcow2']);
  await isAsQemu(t, cwd, ['snapshot', '-c', 'one', '--image-opts', 'driver=qcow2,file.filename=base.qcow2']);
  await isAsQemu(t, cwd, ['snapshot', '-l', '--image-opts', 'file.filename=base.qcow2']);
  await isAsQemu(t, cwd, ['resize', '--image-opts', 'driver=raw,file.filename=disk.raw', '+1M']);
  await isAsQemu(t, cwd, ['commit', '--image-opts', 'driver=qcow2,file.filename=over.qcow2']);
  await isAsQemu(t, cwd, ['rebase', '-u', '-b', '', '--image-opts', 'driver=qcow2,file.filename=over.qcow2']);
});

test('copies are made of them, and to those that are there', async (t) => {
  const cwd = directory(t);
  makeSources(cwd);
  const image = async (...words: readonly string[]): Promise<void> => {
    const { errors, status } = await run(['image', ...words], {}, cwd);
    t.is(status, 0, errors);
  };
  const [top, raw] = ['driver=qcow2,file.filename=top.qcow2', 'driver=raw,file.filename=disk.raw'];
  await image('convert', '--image-opts', '-O', 'qcow2', top, raw, 'both.qcow2');
  qemuImg(cwd, 'convert', '--image-opts', '-O', 'raw', top, raw, 'both.raw');
  qemuImg(cwd, 'compare', 'both.raw', 'both.qcow2');
  qemuImg(cwd, 'create', '-q', '-f', 'qcow2', 'there.qcow2', '20M');
  const there = 'driver=qcow2,file.driver=file,file.filename=there.qcow2';
  await image('convert', '-n', '--target-image-opts', '-f', 'raw', 'both.raw', there);
  qemuImg(cwd, 'compare', '-F', 'qcow2', 'both.raw', 'there.qcow2');
  await image('dd', '--image-opts', `if=${top}`, 'of=part.raw', 'bs=1M', 'skip=4', 'count=2');
  qemuImg(cwd, 'dd', '-O', 'raw', 'if=top.qcow2', 'of=theirs.raw', 'bs=1M', 'skip=4', 'count=6');
  qemuImg(cwd, 'compare', '-f', 'raw', '-F', 'raw', 'part.raw', 'theirs.raw');
});

test('an export of a server is one of them, and is looked at as qemu-img does', async (t) => {
  const { data } = await serve(t, '--volume', 'disk:16M');
  const cwd = directory(t);
  const { out } = await run(['export', 'show', 'disk', '--json'], { ASHLAR_DATA: data }, cwd);
  const uri = (JSON.parse(out) as { uris: string[] }).uris[0]!;
  const { hostname, pathname, port } = new URL(uri);
  const parts = `driver=raw,file.driver=nbd,file.server.type=inet,file.server.host=${hostname},file.server.port=${port},file.export=${pathname.slice(1)}`;
  await isAsQemu(t, cwd, ['info', uri]);
  await isAsQemu(t, cwd, ['info', '--image-opts', parts]);
  await isAsQemu(t, cwd, ['info', '--image-opts', `driver=raw,file.filename=${uri}`]);
  await isAsQemu(t, cwd, ['map', '--image-opts', parts]);
});

test('what names no disk, or one in a way that is not known, is told in a sentence', async (t) => {
  const cwd = directory(t);
  for (const [disk, sentence] of [
    ['a.qcow2', /'a.qcow2' is no NAME=VALUE/],
    ['driver=qcow2', /names no disk: write driver=FORMAT,file.filename=PATH/],
    ['driver=qcow2,filename=a', /the option 'filename' is not known here/],
    ['driver=vmdk,file.filename=a', /the driver 'vmdk' is not known here/],
    ['driver=qcow2,file.driver=gluster,file.path=a', /the driver 'gluster' is not known here/],
    ['driver=raw,offset=512,file.filename=a', /the option 'offset' is not known here/],
    ['driver=nbd,export=a', /names no server/],
    ['driver=file,filename=', /names no file/],
    ['driver=qcow2,file.driver=nbd,file.host=localhost,file.port=1', /is a disk, and no image/],
  ] as const) {
    const { errors, status } = await run(['image', 'map', '--image-opts', disk], {}, cwd);
    t.is(status, 1, errors);
    t.regex(errors, sentence);
  }
  t.is((await run(['image', 'info', '--image-opts', '-f', 'raw', 'file.filename=a'], {}, cwd)).status, 2);
});
