import { join } from 'node:path';
import { createRealHost } from '@ashlar/host';
import { failsWith } from '@ashlar/testing';
import test from 'ava';
import { directory, qemuImg, qemuIo } from './by-qemu.ts';
import { createDefaults, createQcow2, type CreateOptions } from './create.ts';
import { openImage } from './open.ts';

const GiB = 2 ** 30;

/** What is asked for, and the same of qemu-img. */
const kinds: readonly (readonly [string, Partial<CreateOptions>])[] = [
  ['', {}],
  ['compat=0.10', { version: 2 }],
  ['cluster_size=512', { clusterBytes: 512 }],
  ['cluster_size=512,refcount_bits=64', { clusterBytes: 512, refcountBits: 64 }],
  ['cluster_size=2M,refcount_bits=1', { clusterBytes: 2 * 2 ** 20, refcountBits: 1 }],
  ['extended_l2=on', { extendedL2: true }],
  ['lazy_refcounts=on', { lazyRefcounts: true }],
  ['compression_type=zstd', { compression: 'zstd' }],
  ['data_file=data.raw', { dataFile: 'data.raw' }],
  ['data_file=data.raw,data_file_raw=on', { dataFile: 'data.raw', dataFileRaw: true }],
];

const infoOf = (cwd: string, name: string): object => {
  const {
    filename: _name,
    'actual-size': _size,
    ...rest
  } = JSON.parse(qemuImg(cwd, 'info', '--output', 'json', name)) as {
    readonly filename: string;
    readonly 'actual-size': number;
  };
  return rest;
};

for (const [layout, options] of kinds) {
  test(`an image of '${layout}' is what qemu-img makes of it, in order, and taken by QEMU`, async (t) => {
    const cwd = directory(t);
    const sizeBytes = 3 * GiB + 512;
    qemuImg(
      cwd,
      'create',
      '-q',
      '-f',
      'qcow2',
      ...(layout === '' ? [] : ['-o', layout]),
      'theirs.qcow2',
      String(sizeBytes),
    );
    const path = join(cwd, 'ours.qcow2');
    await createQcow2(createRealHost(), path, { ...createDefaults, ...options, sizeBytes });
    t.deepEqual(infoOf(cwd, 'ours.qcow2'), infoOf(cwd, 'theirs.qcow2'));
    qemuIo(cwd, 'ours.qcow2', 'write -P 7 1G 100k', 'write -z 1G 4k', 'flush');
    t.regex(qemuImg(cwd, 'check', 'ours.qcow2'), /^No errors were found/);
    const device = await openImage(createRealHost(), path, { followsFiles: true });
    const found = new Uint8Array(8192);
    await device.read(GiB, found);
    t.deepEqual([found[0], found[4096]], [0, 7]);
    await device.close();
  });
}

test('a name of a backing file is kept as it was given', async (t) => {
  const cwd = directory(t);
  qemuImg(cwd, 'create', '-q', '-f', 'raw', 'bäse.raw', '1M');
  const backing = { backingFile: 'bäse.raw', backingFormat: 'raw' };
  await createQcow2(createRealHost(), join(cwd, 'a.qcow2'), { ...createDefaults, ...backing, sizeBytes: 2 ** 20 });
  t.like(infoOf(cwd, 'a.qcow2'), { 'backing-filename': 'bäse.raw', 'backing-filename-format': 'raw' });
  t.regex(qemuImg(cwd, 'check', 'a.qcow2'), /^No errors were found/);
});

test('what no image can be is refused, and nothing is made', async (t) => {
  const cwd = directory(t);
  const host = createRealHost();
  const path = join(cwd, 'a.qcow2');
  for (const options of [
    { clusterBytes: 1000 },
    { clusterBytes: 4 * 2 ** 20 },
    { refcountBits: 128 },
    { version: 2, refcountBits: 8 },
    { version: 2, compression: 'zstd' },
    { extendedL2: true, clusterBytes: 4096 },
    { dataFileRaw: true },
    { clusterBytes: 512, sizeBytes: 2 ** 43 },
    { backingFile: 'x'.repeat(2000) },
  ] as const) {
    await failsWith(t, 'invalid', () => createQcow2(host, path, { ...createDefaults, sizeBytes: GiB, ...options }));
    t.is(host.stat(path), undefined);
  }
});
