import { closeSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openNbd } from '@ashlar/nbd';
import test from 'ava';
import { madeOnce, serve, serveIn, type Ended } from './command.ts';
import { run } from './hosted.ts';

const KiB = 1024;

/** A pool whose server was killed: one chunk is home, one small and one large write are in the journal only. */
const killed = madeOnce(test, async (data) => {
  const first = await serveIn(data, ['--volume', 'demo:16M']);
  const write = async (out: string, offset: number, bytes: Uint8Array): Promise<void> => {
    const [, uri] = /'(nbd:\/\/[\d.]+:\d+\/demo)'/.exec(out) ?? [];
    const client = await openNbd(uri ?? '', { reconnectMs: 0 });
    await client.write(offset, bytes, true);
    await client.close();
  };
  await write(first.out, 8 * KiB, new Uint8Array(8 * KiB).fill(1));
  first.child.kill('SIGTERM');
  await first.gone;
  const second = await serveIn(data);
  await write(second.out, 0, new Uint8Array(4 * KiB).fill(2));
  await write(second.out, 1024 * KiB, new Uint8Array(256 * KiB).fill(3));
  second.child.kill('SIGKILL');
  await second.gone;
});

async function dump<T>(data: string, ...parameters: string[]): Promise<T> {
  const { status, out, errors } = await run(['debug', 'dump', ...parameters, '--data', data, '--json']);
  if (status !== 0) throw new Error(errors);
  return JSON.parse(out) as T;
}

const words = (data: string, ...parameters: string[]): Promise<Ended> =>
  run(['debug', 'dump', ...parameters, '--data', data]);

type Journal = {
  readonly holes: readonly unknown[];
  readonly frames: readonly { readonly isTaken: boolean; readonly records: readonly { readonly kind: string }[] }[];
};

test('each kind of dump shows what a killed server left, and changes nothing', async (t) => {
  const data = await killed(t);
  const segment = join(data, 'pool/journal/segment-000000');
  const before = [readFileSync(segment), statSync(join(data, 'pool/records')).mtimeMs];

  const journal = await dump<Journal>(data, 'journal');
  t.deepEqual(journal.holes, []);
  t.true(journal.frames.every(({ isTaken }) => isTaken));
  const records = journal.frames.flatMap((frame) => frame.records);
  t.like(
    records.find(({ kind }) => kind === 'data'),
    { offset: 0, length: 4 * KiB },
  );
  const large = records.find(({ kind }) => kind === 'slots') as unknown as { slot: number; blocks: number };
  t.is(large.blocks, 64);
  t.regex((await words(data, 'journal')).out, /^frame \d+: segment-\d+ at \d+, 4096 bytes of header, 1 blocks/m);

  type Map = { object: number; store: number; chunks: { chunk: number; pieces: { slot: number; blocks: string }[] }[] };
  const map = await dump<Map>(data, 'map', 'demo');
  t.is(map.chunks.length, 1, 'what is in the journal only is not in the map');
  t.like(map.chunks[0], { chunk: 0, reserved: '' });
  t.is(map.chunks[0]?.pieces[0]?.blocks, '2-3');
  const home = map.chunks[0]?.pieces[0]?.slot ?? -1;
  t.regex((await words(data, 'map', 'demo')).out, /\nchunk 0 at 0: blocks 2-3 in slot \d+ \(birth \d+\)\n$/);

  type Slot = { isUsed: boolean; referrers: object[]; journal: object[]; blocks: { block: number; fits: boolean }[] };
  const slot = await dump<Slot>(data, 'slot', String(home));
  t.true(slot.isUsed);
  t.like(slot.referrers, [{ store: map.store, object: map.object, chunk: 0, blocks: '2-3' }]);
  t.deepEqual(
    slot.blocks.filter(({ fits }) => fits).map(({ block }) => block),
    [2, 3],
  );
  const fresh = await dump<Slot>(data, 'slot', String(large.slot));
  t.false(fresh.isUsed);
  t.deepEqual(fresh.journal, [{ store: map.store, object: map.object, chunk: 4 }]);
  t.regex(
    (await words(data, 'slot', String(home))).out,
    /^slot \d+: \S+ at \d+, in use\n {2}blocks 2-3: chunk 0 of object/,
  );

  const { records: rows } = await dump<{ records: { kind: string; name?: string; value?: object }[] }>(data, 'record');
  t.deepEqual([...new Set(rows.map(({ kind }) => kind))].toSorted(), [
    'commit',
    'object',
    'pages',
    'pool',
    'record',
    'scrub',
    'slots',
    'store',
  ]);
  t.like(rows.find(({ name }) => name?.startsWith('volume/'))?.value, { name: 'demo' });
  t.regex((await words(data, 'record')).out, /^pool value \{/m);

  t.deepEqual([readFileSync(segment), statSync(join(data, 'pool/records')).mtimeMs], before);
  const again = await serveIn(data);
  again.child.kill('SIGTERM');
  t.is((await again.gone).status, 0);
});

test('a frame whose header is damaged is shown as the next one repeats it', async (t) => {
  const data = await killed(t);
  type Frame = {
    readonly number: number;
    readonly segment: string;
    readonly offset: number;
    readonly isMended: boolean;
  };
  const before = (await dump<{ frames: Frame[] }>(data, 'journal')).frames;
  const { segment, offset } = before[0]!;
  const file = openSync(segment, 'r+');
  writeSync(file, Buffer.from('damaged'), 0, 7, offset + 64);
  closeSync(file);
  const { holes, frames } = await dump<{ holes: object[]; frames: Frame[] }>(data, 'journal');
  t.deepEqual(holes, []);
  t.deepEqual(
    frames,
    before.map((frame, index) => (index === 0 ? { ...frame, isMended: true } : frame)),
  );
  t.regex((await words(data, 'journal')).out, /header DAMAGED and known from the next/);
});

test('a dump of what is not there says so in a sentence', async (t) => {
  const data = await killed(t);
  const map = await words(data, 'map', 'other');
  t.is(map.status, 1);
  t.regex(map.errors, /^ashlar: there is no volume 'other' in this pool: 'ashlar debug dump record' shows/);
  t.regex((await words(data, 'slot', '99999999')).errors, /^ashlar: there is no slot 99999999 in this pool/);
  t.is((await words(data, 'slot', 'one')).status, 2);
});

test('the pool of a server that runs is not read', async (t) => {
  const { data } = await serve(t, '--volume', 'demo:1M');
  for (const parameters of [['journal'], ['map', 'demo'], ['slot', '0'], ['record']]) {
    const { status, errors } = await words(data, ...parameters);
    t.is(status, 1);
    t.regex(errors, /^ashlar: a server uses the pool in \S+: stop it first, since what it changes cannot be read\n$/);
  }
});
