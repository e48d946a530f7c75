import { join } from 'node:path';
import { GiB, MiB } from '@ashlar/core';
import { testWithTools } from '@ashlar/testing';
import test from 'ava';
import { directory, serve, shell } from './served.ts';
import { sharedServer } from './shared.ts';

const shared = sharedServer(test);

type Export = Readonly<Record<string, unknown>> & { readonly contexts: readonly string[] };
type Info = { readonly protocol: string; readonly structured: boolean; readonly exports: readonly Export[] };
type NbdRun = { readonly offset: number; readonly length: number; readonly type: number };

/** Bits of `base:allocation`. */
const hole = 1;
const zero = 2;

const infoOf = async (options: string): Promise<Info> => JSON.parse(await shell(`nbdinfo --json ${options}`)) as Info;

/** The runs of the volume that are no holes, as nbdinfo sees them. */
async function dataRuns(uri: string): Promise<number[][]> {
  const runs = JSON.parse(await shell(`nbdinfo --map --json ${uri}`)) as NbdRun[];
  return runs.filter(({ type }) => type !== (hole | zero)).map(({ offset, length }) => [offset, length]);
}

/** Three runs of data in a file of 512 MiB that is sparse else. The last one ends at an odd place. */
const makeSparse = `truncate -s 512M in.raw
  head -c 3145728 /dev/urandom | dd of=in.raw conv=notrunc oflag=seek_bytes seek=1048576 status=none
  head -c 65536 /dev/urandom | dd of=in.raw conv=notrunc oflag=seek_bytes seek=268435456 status=none
  head -c 4096 /dev/urandom | dd of=in.raw conv=notrunc oflag=seek_bytes seek=536866816 status=none`;

const sparseRuns = [
  [MiB, 3 * MiB],
  [256 * MiB, 65536],
  [512 * MiB - 4096, 4096],
];

testWithTools(test, 'nbdinfo')('nbdinfo tells what the volume is and can', async (t) => {
  const uri = await (await shared()).volume('info', '3T');
  const { protocol, structured, exports } = await infoOf(uri);
  t.is(protocol, 'newstyle-fixed');
  t.true(structured);
  t.is(exports.length, 1);
  t.true(exports[0]!.contexts.includes('base:allocation'));
  t.like(exports[0]!, {
    'export-name': 'info',
    'export-size': 3 * 1024 * GiB,
    is_read_only: false,
    is_rotational: false,
    can_cache: true,
    can_df: true,
    can_fast_zero: true,
    can_flush: true,
    can_fua: true,
    can_multi_conn: true,
    can_trim: true,
    can_zero: true,
    block_size_minimum: 1,
    block_size_preferred: 4096,
  });
  await shell(
    `nbdinfo --can write ${uri} && nbdinfo --can connect ${uri} && nbdinfo --can trim ${uri} && ! nbdinfo --is read-only ${uri}`,
  );
});

testWithTools(test, 'nbdinfo')(
  'nbdinfo lists the exports of a server, and is refused one that is not there',
  async (t) => {
    const { server } = await serve(t, join(directory(t), 'data'), '64M');
    const { exports } = await infoOf(`--list ${server}`);
    t.deepEqual(
      exports.map((one) => one['export-name']),
      ['demo'],
    );
    t.is(exports[0]!['export-size'], 64 * MiB);
    await t.throwsAsync(infoOf(`${server}/other`), { message: /other/ });
  },
);

testWithTools(
  test,
  'nbdinfo',
  'nbdcopy',
  'qemu-img',
)('nbdcopy copies in and out, and nbdinfo and qemu-img see the holes', async (t) => {
  const cwd = directory(t);
  const uri = await (await shared()).volume('sparse', '512M');
  t.deepEqual(await dataRuns(uri), []);
  await shell(makeSparse, { cwd });
  await shell(`nbdcopy --flush in.raw ${uri}`, { cwd });
  t.deepEqual(await dataRuns(uri), sparseRuns);
  const seen = JSON.parse(await shell(`qemu-img map -f raw --output=json ${uri}`)) as {
    start: number;
    length: number;
    data: boolean;
  }[];
  t.deepEqual(
    seen.filter(({ data }) => data).map(({ start, length }) => [start, length]),
    sparseRuns,
  );
  await shell(`nbdcopy ${uri} out.raw && cmp in.raw out.raw`, { cwd });
  t.true(Number(await shell('stat -c %b out.raw', { cwd })) * 512 < 8 * MiB, 'the copy is sparse, too');
  t.regex(await shell(`nbdinfo --map --totals ${uri}`), /99\.\d% +3 hole,zero/);
});

testWithTools(
  test,
  'nbdinfo',
  'nbdcopy',
)('nbdcopy copies from one server to another, over many connections', async (t) => {
  const cwd = directory(t);
  const from = await (await shared()).volume('from', '512M');
  const to = await serve(t, join(cwd, 'to'), '512M');
  await shell(makeSparse, { cwd });
  await shell(`nbdcopy --connections 4 --requests 32 in.raw ${from}`, { cwd });
  await shell(`nbdcopy --connections 4 --requests 8 --flush --destination-is-zero ${from} ${to.uri}`);
  t.deepEqual(await dataRuns(to.uri), sparseRuns);
  await shell(`nbdcopy --synchronous ${to.uri} - | cmp - in.raw`, { cwd });
});

testWithTools(
  test,
  'nbdcopy',
  'nbdinfo',
)('nbdcopy writes zeroes over what was there', async (t) => {
  const cwd = directory(t);
  const uri = await (await shared()).volume('zeroes', '64M');
  await shell(`head -c 67108864 /dev/urandom > full.raw && nbdcopy full.raw ${uri}`, { cwd });
  t.deepEqual(await dataRuns(uri), [[0, 64 * MiB]]);
  await shell(`truncate -s 64M empty.raw && nbdcopy empty.raw ${uri} && nbdcopy ${uri} - | cmp - empty.raw`, { cwd });
  t.deepEqual(await dataRuns(uri), []);
});

testWithTools(test, 'qemu-img')('qemu-img tells the size, and that nothing is allocated', async (t) => {
  const uri = await (await shared()).volume('empty', '5T');
  t.like(JSON.parse(await shell(`qemu-img info -f raw --output=json ${uri}`)) as object, {
    'virtual-size': 5 * 1024 * GiB,
    format: 'raw',
  });
  const [run, ...more] = JSON.parse(await shell(`qemu-img map -f raw --output=json ${uri}`)) as object[];
  t.like(run, { start: 0, length: 5 * 1024 * GiB, data: false, zero: true });
  t.is(more.length, 0);
});
