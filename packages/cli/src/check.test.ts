import { closeSync, openSync, readFileSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openNbd } from '@ashlar/nbd';
import test, { type ExecutionContext } from 'ava';
import { madeOnce, serve, serveIn } from './command.ts';
import { run } from './hosted.ts';

const KiB = 1024;

type Check = {
  readonly ok: boolean;
  readonly volumes: readonly {
    readonly name: string;
    readonly dataBytes: number;
    readonly damage: readonly object[];
  }[];
  readonly problems: readonly { readonly kind: string; readonly sentence: string; readonly advice: string }[];
  readonly problemCount: number;
  readonly journalFrames: number;
  /** Of a repair. */
  readonly before?: object;
  readonly mended?: readonly object[];
  readonly madeAnew?: string;
};

/** Leaves the pool of a server that a signal ended, with 8 KiB written to the volume `demo`. */
async function serveUntil(data: string, signal: NodeJS.Signals): Promise<void> {
  const { child, gone, out } = await serveIn(data, ['--volume', 'demo:16M']);
  const [, uri] = /'(nbd:\/\/[\d.]+:\d+\/demo)'/.exec(out) ?? [];
  const client = await openNbd(uri ?? '', { reconnectMs: 0 });
  await client.write(0, new Uint8Array(4 * KiB).fill(1), true);
  await client.write(4 * KiB, new Uint8Array(4 * KiB).fill(2), true);
  await client.close();
  child.kill(signal);
  await gone;
}

const pools = {
  SIGTERM: madeOnce(test, (data) => serveUntil(data, 'SIGTERM')),
  SIGKILL: madeOnce(test, (data) => serveUntil(data, 'SIGKILL')),
};

const stopped = (t: ExecutionContext, signal: keyof typeof pools): Promise<string> => pools[signal](t);

async function check(data: string, ...flags: string[]): Promise<Check & { readonly status: number | null }> {
  const { status, out, errors } = await run(['check', '--data', data, '--json', ...flags]);
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

/** Damages what the database says of the slots that are in use: a value of more than a page, which its key leads to by number. */
function damageBitmap(data: string): void {
  const database = join(data, 'pool/records/data.mdb');
  const bytes = readFileSync(database);
  const key = Buffer.concat([Buffer.from('b'), Buffer.alloc(8)]);
  for (let at = bytes.indexOf(key); at >= 0; at = bytes.indexOf(key, at + 1)) {
    const page = Number(bytes.readBigUInt64LE(at + key.length));
    if (page > 0 && page < bytes.length / 4096) flip(database, page * 4096 + 2000);
  }
}

/** Without it the database is mended by what else there is in the pool. */
const forgetLog = (data: string): void => rmSync(join(data, 'pool/record-log'), { recursive: true });

test('damaged records are made anew of the log: --repair says so, and nothing is lost', async (t) => {
  const data = await stopped(t, 'SIGTERM');
  damageBitmap(data);
  const found = await check(data);
  t.like(found, { status: 1, ok: false, problemCount: 1, mendableCount: 1 });
  t.like(found.problems[0], { kind: 'record-damaged', mend: 'repair' });
  t.regex(found.problems[0]!.advice, /^the next start, and --repair, make the database anew of its log/);
  const { out, status } = await run(['check', '--repair', '--data', data]);
  t.is(status, 0);
  t.regex(out, /\n {2}mended: 1 of \d+ records of the pool's database are damaged; it was made anew of its log\n/);
  t.like(await check(data), { status: 0, ok: true });
});

test('a database that would end whoever reads it is refused with what to do, and mended by --repair', async (t) => {
  const data = await stopped(t, 'SIGKILL');
  const database = join(data, 'pool/records/data.mdb');
  const bytes = readFileSync(database);
  for (let page = 2; page < bytes.length / 4096; page += 1) bytes.fill(0xa5, page * 4096 + 8, page * 4096 + 24);
  writeFileSync(database, bytes);
  const refused = await run(['check', '--data', data]);
  t.is(refused.status, 1);
  t.regex(refused.errors, /^ashlar: .*; the next start, and 'ashlar check --repair', make it anew of its log\n$/);
  const { volumes, ok, madeAnew } = await check(data, '--repair');
  t.true(ok);
  t.truthy(madeAnew);
  t.like(volumes, [{ name: 'demo', damage: [] }]);
});

test('what the maps leave no doubt about is said to be mendable, mended by --repair with status 0, and in order from then on', async (t) => {
  const data = await stopped(t, 'SIGTERM');
  forgetLog(data);
  damageBitmap(data);
  const found = await check(data);
  t.like(found, { status: 1, ok: false, problemCount: 1, mendableCount: 1 });
  t.like(found.problems[0], { kind: 'record-damaged', mend: 'repair', advice: '--repair mends it' });
  const { out, status } = await run(['check', '--data', data]);
  t.is(status, 1);
  t.regex(out, /\n {4}--repair mends it\n[^]*\nno data is damaged: 'ashlar check --repair' mends the rest\n$/);
  const repaired = await check(data, '--repair');
  t.like(repaired, { status: 0, ok: true, problems: [], problemCount: 0 });
  t.like(repaired.before, { ok: false, problemCount: 1, problems: found.problems });
  t.deepEqual(repaired.mended, found.problems);
  t.like(await check(data), { status: 0, ok: true });
  const { child, gone, out: served } = await serveIn(data, []);
  t.regex(served, /nbd:/);
  child.kill('SIGTERM');
  await gone;
});

test('a repair says what it mended and what is left, with what is left to do, and status 1', async (t) => {
  const data = await stopped(t, 'SIGTERM');
  const { record } = await dumped<{ record: { root: { page: number } } }>(data, 'map', 'demo');
  flip(join(data, 'pool/pages'), record.root.page * 4 * KiB);
  damageBitmap(data);
  forgetLog(data);
  const { out, status } = await run(['check', '--repair', '--data', data]);
  t.is(status, 1);
  t.regex(out, /^pool \S+: 2 problems, 1 mended, 1 left\n {2}mended: the record slots 0 /);
  t.regex(out, /\n {2}page \d+ of the map of .*\n {4}the rest can be read: copy it out/);
  const again = await check(data, '--repair');
  t.like(again, { status: 1, mended: [], problems: [{ kind: 'page-damaged', mend: 'none' }] });
});

test('a repair of a pool in order mends nothing, with status 0', async (t) => {
  const data = await stopped(t, 'SIGKILL');
  const { out, status } = await run(['check', '--repair', '--data', data]);
  t.is(status, 0);
  t.regex(out, /^pool \S+: no problems, 0 mended, 0 left\n/);
  t.true((await check(data)).journalFrames > 0);
});

test('the pool of a server that runs is neither checked nor mended', async (t) => {
  const { data } = await serve(t, '--volume', 'demo:1M');
  const { status, errors } = await run(['check', '--data', data]);
  t.is(status, 1);
  t.regex(errors, /^ashlar: a server uses the pool in \S+: stop it first/);
  const repair = await run(['check', '--repair', '--data', data]);
  t.is(repair.status, 1);
  t.regex(
    repair.errors,
    /^ashlar: a server, or a check, uses the pool in \S+: it is mended only when nobody else has it/,
  );
});
