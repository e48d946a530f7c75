import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openNbd } from '@ashlar/nbd';
import test, { type ExecutionContext } from 'ava';
import { directory, run, serve, serveIn } from './command.ts';

const KiB = 1024;

type Check = {
  readonly ok: boolean;
  readonly volumes: readonly {
    readonly name: string;
    readonly dataBytes: number;
    readonly damage: readonly object[];
  }[];
  readonly problems: readonly { readonly kind: string; readonly sentence: string }[];
  readonly problemCount: number;
  readonly journalFrames: number;
};

/** The pool of a server that a signal ended, with 8 KiB written to the volume `demo`. */
async function stopped(t: ExecutionContext, signal: NodeJS.Signals): Promise<string> {
  const data = join(directory(t), 'data');
  const { child, gone, out } = await serveIn(data, ['--volume', 'demo:16M']);
  const [, uri] = /'(nbd:\/\/[\d.]+:\d+\/demo)'/.exec(out) ?? [];
  const client = await openNbd(uri ?? '', { reconnectMs: 0 });
  await client.write(0, new Uint8Array(4 * KiB).fill(1), true);
  await client.write(4 * KiB, new Uint8Array(4 * KiB).fill(2), true);
  await client.close();
  child.kill(signal);
  await gone;
  return data;
}

async function check(data: string): Promise<Check & { readonly status: number | null }> {
  const { status, out, errors } = await run(['check', '--data', data, '--json']);
  if (out === '') throw new Error(errors);
  return { status, ...(JSON.parse(out) as Check) };
}

async function dumped<T>(data: string, ...parameters: string[]): Promise<T> {
  return JSON.parse((await run(['debug', 'dump', ...parameters, '--data', data, '--json'])).out) as T;
}

function flip(path: string, offset: number): void {
  const file = openSync(path, 'r+');
  const byte = new Uint8Array(1);
  readSync(file, byte, 0, 1, offset);
  writeSync(file, Uint8Array.of((byte[0] ?? 0) ^ 0x10), 0, 1, offset);
  closeSync(file);
}

test('a pool in order is said to be so, with status 0', async (t) => {
  const data = await stopped(t, 'SIGTERM');
  const found = await check(data);
  t.like(found, { status: 0, ok: true, problems: [], problemCount: 0, journalFrames: 0 });
  t.like(found.volumes, [{ name: 'demo', dataBytes: 8 * KiB, damage: [] }]);
  const { out } = await run(['check', '--data', data]);
  t.regex(out, /^pool \S+: no problems\nvolume demo: 8 KiB read, no damage\neverything is in order\n$/);
});

test('what a killed server left is in order, and still in its journal after the check', async (t) => {
  const data = await stopped(t, 'SIGKILL');
  for (let round = 0; round < 2; round += 1) {
    const found = await check(data);
    t.like(found, { status: 0, ok: true, problems: [] });
    t.true(found.journalFrames > 0);
  }
  const { out } = await run(['check', '--data', data]);
  t.regex(out, /\n\d+ frames of the journal are good: the next start brings them home\n/);
});

test('a damaged page of a map is a problem, with status 1', async (t) => {
  const data = await stopped(t, 'SIGTERM');
  const { record } = await dumped<{ record: { root: { page: number } } }>(data, 'map', 'demo');
  flip(join(data, 'pool/pages'), record.root.page * 4 * KiB);
  const found = await check(data);
  t.like(found, { status: 1, ok: false, problemCount: 1, problems: [{ kind: 'page-damaged' }] });
  const { status, out } = await run(['check', '--data', data]);
  t.is(status, 1);
  t.regex(out, /^pool \S+: 1 problems\n {2}page \d+ of the map of object \d+ of store \d+ is missing or damaged/);
  t.regex(out, /\ndamage was found: restore what is named above from a copy\n$/);
});

test('frames that are missing of the journal are a problem, with status 1', async (t) => {
  const data = await stopped(t, 'SIGKILL');
  type Frame = { readonly segment: string; readonly offset: number; readonly records: readonly { kind: string }[] };
  const { frames } = await dumped<{ frames: readonly Frame[] }>(data, 'journal');
  for (const { segment, offset } of frames.slice(0, 2)) flip(segment, offset + 70);
  const found = await check(data);
  t.like(found, { status: 1, ok: false, problems: [{ kind: 'journal-hole' }] });
});

test('a damaged record of the catalogue is told twice: as a record, and as what cannot be known for it', async (t) => {
  const data = await stopped(t, 'SIGTERM');
  const database = join(data, 'pool/records/data.mdb');
  const bytes = readFileSync(database);
  for (let at = bytes.indexOf('"name":"demo"'); at >= 0; at = bytes.indexOf('"name":"demo"', at + 1))
    flip(database, at + 9);
  const found = await check(data);
  t.like(found, { status: 1, ok: false, volumes: [] });
  t.deepEqual([...new Set(found.problems.map(({ kind }) => kind))], ['record-damaged', 'catalogue']);
});

test('the pool of a server that runs is not checked', async (t) => {
  const { data } = await serve(t, '--volume', 'demo:1M');
  const { status, errors } = await run(['check', '--data', data]);
  t.is(status, 1);
  t.regex(errors, /^ashlar: a server uses the pool in \S+: stop it first/);
});
