import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { directory } from '../command.ts';
import { run } from '../hosted.ts';

const qemu = (cwd: string, ...words: readonly string[]): { status: number | null; out: string; errors: string } => {
  const { status, stdout, stderr } = spawnSync('qemu-img', words, { cwd, encoding: 'utf8' });
  return { status, out: stdout, errors: stderr };
};

const shell = (cwd: string, commands: string): void =>
  void execFileSync('sh', ['-ec', commands], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });

/** Lines of what was found: of those through which both tables came QEMU tells twice. */
const found = (errors: string): string[] => [...new Set(errors.split('\n'))].toSorted();

/** Where the image ends is where the new refcounts found room. */
const withoutEnd = (text: string): string => text.replace(/Image end offset: \d+|"image-end-offset": \d+/, '');

async function isSame(t: ExecutionContext, cwd: string, name: string, title: string): Promise<void> {
  const theirs = qemu(cwd, 'check', name);
  const ours = await run(['image', 'check', name], {}, cwd);
  t.is(ours.out, theirs.out, title);
  t.is(ours.status, theirs.status, title);
  t.deepEqual(found(ours.errors), found(theirs.errors), title);
  const { out } = await run(['image', 'check', '--output', 'json', name], {}, cwd);
  t.deepEqual(JSON.parse(out), JSON.parse(qemu(cwd, 'check', '--output', 'json', name).out), title);
}

/** Both repair a copy, say the same, and leave the same disk in an image that is in order, or is not. */
async function isRepaired(t: ExecutionContext, cwd: string, name: string, what: 'leaks' | 'all'): Promise<void> {
  const title = `${name} -r ${what}`;
  for (const copy of ['ours.qcow2', 'theirs.qcow2']) copyFileSync(join(cwd, name), join(cwd, copy));
  const theirs = qemu(cwd, 'check', '-r', what, 'theirs.qcow2');
  const ours = await run(['image', 'check', '-r', what, 'ours.qcow2'], {}, cwd);
  t.is(ours.status, theirs.status, title);
  t.is(withoutEnd(ours.out), withoutEnd(theirs.out), title);
  const after = qemu(cwd, 'check', 'ours.qcow2');
  const expected = qemu(cwd, 'check', 'theirs.qcow2');
  t.is(withoutEnd(after.out), withoutEnd(expected.out), `${title}: ${after.errors}`);
  if (after.status === 0) t.is(qemu(cwd, 'compare', 'ours.qcow2', 'theirs.qcow2').status, 0, title);
}

const kinds: Readonly<Record<string, string>> = {
  plain: `qemu-img create -q -f qcow2 a.qcow2 10M; qemu-io -c 'write 0 3M' -c 'discard 1M 1M' -c 'write 7M 100k' a.qcow2`,
  old: `qemu-img create -q -f qcow2 -o compat=0.10 a.qcow2 10M; qemu-io -c 'write 0 3M' a.qcow2`,
  small: `qemu-img create -q -f qcow2 -o cluster_size=512,refcount_bits=8 a.qcow2 10M; qemu-io -c 'write 77k 300k' a.qcow2`,
  extended: `qemu-img create -q -f qcow2 -o extended_l2=on a.qcow2 10M; qemu-io -c 'write 10k 4k' -c 'write 1M 2M' -c 'write -z 2M 8k' a.qcow2`,
  bits: `qemu-img create -q -f qcow2 -o refcount_bits=64,cluster_size=4k a.qcow2 10M; qemu-io -c 'write 1M 2M' a.qcow2`,
  bit: `qemu-img create -q -f qcow2 -o refcount_bits=1 a.qcow2 10M; qemu-io -c 'write 1M 2M' a.qcow2`,
  data: `qemu-img create -q -f qcow2 -o data_file=data.raw a.qcow2 10M; qemu-io -c 'write 1M 2M' a.qcow2`,
  empty: `qemu-img create -q -f qcow2 a.qcow2 10M`,
  compressed: `head -c 2000000 /usr/bin/qemu-img > b.raw; qemu-img convert -c -O qcow2 b.raw a.qcow2; qemu-io -c 'write 100k 200k' a.qcow2`,
  snapshots: `qemu-img create -q -f qcow2 a.qcow2 10M; qemu-io -c 'write 0 2M' a.qcow2; qemu-img snapshot -c one a.qcow2;
    qemu-io -c 'write 1M 2M' a.qcow2; qemu-img snapshot -c two a.qcow2; qemu-io -c 'write 5M 100k' a.qcow2`,
  bitmaps: `qemu-img create -q -f qcow2 a.qcow2 10M; qemu-img bitmap --add a.qcow2 b0; qemu-io -c 'write 0 1M' a.qcow2`,
  killed: `qemu-img create -q -f qcow2 -o lazy_refcounts=on a.qcow2 10M; qemu-io -c 'write 0 2M' -c flush -c abort a.qcow2 || true`,
};

for (const [kind, commands] of Object.entries(kinds)) {
  test(`an image that is '${kind}' is checked as qemu-img checks it`, async (t) => {
    const cwd = directory(t);
    shell(cwd, commands);
    await isSame(t, cwd, 'a.qcow2', kind);
    for (const what of ['leaks', 'all'] as const) await isRepaired(t, cwd, 'a.qcow2', what);
  });
}

/** The structures of an image of QEMU's of clusters of 64 KiB, for damage. */
class Bytes {
  readonly bytes: Buffer;
  readonly cluster = 65_536;

  constructor(path: string) {
    this.bytes = readFileSync(path);
  }

  word(at: number): bigint {
    return this.bytes.readBigUInt64BE(at);
  }

  put(at: number, value: bigint): void {
    this.bytes.writeBigUInt64BE(value, at);
  }

  get refcountTable(): number {
    return Number(this.word(48));
  }

  setCount(cluster: number, count: number): void {
    this.bytes.writeUInt16BE(count, Number(this.word(this.refcountTable)) + cluster * 2);
  }

  get l1(): number {
    return Number(this.word(40));
  }

  /** Where an entry of the first L2 table is. */
  l2(index: number): number {
    return Number(this.word(this.l1) & 0xff_ffff_ffff_fe00n) + index * 8;
  }

  clusterOf(index: number): number {
    return Number(this.word(this.l2(index)) & 0xff_ffff_ffff_fe00n) / this.cluster;
  }
}

const copied = 1n << 63n;

/** What is done to an image with two snapshots. */
const damages: Readonly<Record<string, (image: Bytes) => void>> = {
  'a cluster that nobody has': (image) => image.setCount(60, 1),
  'a refcount that is too high': (image) => image.setCount(image.clusterOf(20), 5),
  'a refcount that is too low': (image) => image.setCount(image.clusterOf(2), 1),
  'a refcount of 0 of what is in use': (image) => image.setCount(image.clusterOf(2), 0),
  'a refcount of 0 of an L2 table': (image) => image.setCount(Math.floor(image.l2(0) / image.cluster), 0),
  'a flag that is missing': (image) => image.put(image.l2(80), image.word(image.l2(80)) & ~copied),
  'a flag that is wrong': (image) => image.put(image.l2(2), image.word(image.l2(2)) | copied),
  'a flag of an L2 table that is missing': (image) => image.put(image.l1, image.word(image.l1) & ~copied),
  'a cluster that two have': (image) => image.put(image.l2(80), image.word(image.l2(81))),
  'a cluster outside the file': (image) => image.put(image.l2(80), (1n << 40n) | copied),
  'a cluster that begins no cluster': (image) => image.put(image.l2(80), image.word(image.l2(80)) + 512n),
  'a place for zeros that begins no cluster': (image) =>
    image.put(image.l2(80), (image.word(image.l2(80)) + 512n) | 1n),
  'an L2 table outside the file': (image) => image.put(image.l1, (1n << 40n) | copied),
  'reserved bits': (image) => {
    image.put(image.l1, image.word(image.l1) | (1n << 57n));
    image.put(image.l2(80), image.word(image.l2(80)) | 2n);
  },
  'a block of refcounts that is gone': (image) => image.put(image.refcountTable, 0n),
  'a block of refcounts elsewhere': (image) => image.put(image.refcountTable, BigInt(image.cluster * 3)),
  'a second block of refcounts that is the first': (image) =>
    image.put(image.refcountTable + 8, image.word(image.refcountTable)),
  'data over a block of refcounts': (image) => image.put(image.l2(80), image.word(image.refcountTable) | copied),
  'the bit of damage': (image) => image.bytes.writeUInt8(2, 79),
  'the bit of a writer': (image) => image.bytes.writeUInt8(1, 79),
};

for (const [name, damage] of Object.entries(damages)) {
  test(`${name}: it is found and mended as by qemu-img`, async (t) => {
    const cwd = directory(t);
    shell(cwd, kinds['snapshots']!);
    const image = new Bytes(join(cwd, 'a.qcow2'));
    damage(image);
    writeFileSync(join(cwd, 'a.qcow2'), image.bytes);
    await isSame(t, cwd, 'a.qcow2', name);
    for (const what of ['leaks', 'all'] as const) await isRepaired(t, cwd, 'a.qcow2', what);
  });
}

test('what has nothing to check, cannot be opened, or is no image, has a status of its own', async (t) => {
  const cwd = directory(t);
  shell(cwd, 'truncate -s 1M a.raw; truncate -s 3 b.raw');
  for (const words of [['a.raw'], ['none'], ['-f', 'qcow2', 'a.raw'], ['-f', 'qcow2', 'b.raw']]) {
    const ours = await run(['image', 'check', ...words], {}, cwd);
    t.is(ours.status, qemu(cwd, 'check', ...words).status, words.join(' '));
    t.is(ours.out, '');
    t.regex(ours.errors, /^ashlar: .+\n$/);
  }
  shell(cwd, kinds['plain']!);
  const quiet = await run(['image', 'check', '-q', 'a.qcow2'], {}, cwd);
  t.deepEqual([quiet.status, quiet.out, quiet.errors], [0, '', '']);
});
