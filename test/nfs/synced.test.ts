import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectRpc, NfsClient, procedures, stability, status } from '@ashlar/nfs';
import { MemoryObjectStore, testAsRoot } from '@ashlar/testing';
import test from 'ava';
import { ashlar, directory, long, serve, type Served, type Test } from '../clients/served.ts';
import { each, makeFile, removeFile } from './calls.ts';
import { root, serveTree } from './server.ts';
import { stepsOf, syncedAnswers } from './synced.ts';

const named = (text: string): Buffer => Buffer.from(text);
const data = Buffer.alloc(4096, 5);

/** A call, and whether it may be answered only behind a sync where the export is sync, and where it is async. */
type Step = {
  readonly name: string;
  readonly run: () => Promise<unknown>;
  readonly sync: boolean;
  readonly async: boolean;
};

async function must(found: Promise<{ readonly status: number }>): Promise<void> {
  const { status: given } = await found;
  if (given !== status.ok) throw new Error(`a call failed with ${given}`);
}

async function fileIn(client: NfsClient, parent: Uint8Array): Promise<Uint8Array> {
  await makeFile(client, parent, 'file');
  return (await client.call(procedures.lookup, { directory: parent, name: named('file') })).ok!.handle;
}

const write = (client: NfsClient, handle: Uint8Array, stable: number, offset = 0): Promise<void> =>
  must(client.call(procedures.write, { handle, offset, count: data.length, stability: stable, data }));

function stepsWith(client: NfsClient, directory: Uint8Array, handle: Uint8Array): Step[] {
  const from = { directory, name: named('a') };
  const to = { directory, name: named('b') };
  const ofNames = { sync: true, async: false };
  const always = { sync: true, async: true };
  const never = { sync: false, async: false };
  return [
    { name: 'CREATE', ...ofNames, run: () => makeFile(client, directory, 'a') },
    { name: 'RENAME', ...ofNames, run: () => must(client.call(procedures.rename, { from, to })) },
    { name: 'WRITE with FILE_SYNC', ...always, run: () => write(client, handle, stability.file) },
    { name: 'WRITE with UNSTABLE', ...never, run: () => write(client, handle, stability.unstable) },
    { name: 'COMMIT', ...always, run: () => must(client.call(procedures.commit, { handle, offset: 0, count: 0 })) },
    { name: 'GETATTR', ...never, run: () => must(client.call(procedures.getAttributes, { handle })) },
    { name: 'REMOVE', ...ofNames, run: () => removeFile(client, directory, 'b') },
  ];
}

for (const sync of [true, false]) {
  test(`what is to be durable is not answered before its sync has ended, ${sync ? 'sync' : 'async'}`, async (t) => {
    const store = new MemoryObjectStore();
    const { connect } = await serveTree(t, { sync }, store);
    const client = await connect(root);
    const { handle: parent } = await client.mount('/data');
    const handle = await fileIn(client, parent);
    const held: (() => void)[] = [];
    const syncNow = store.sync.bind(store);
    store.sync = () => new Promise<void>((resolve) => held.push(resolve));
    for (const step of stepsWith(client, parent, handle)) {
      let isAnswered = false;
      const answer = step.run().then(() => (isAnswered = true));
      while (held.length === 0 && !isAnswered) await new Promise(setImmediate);
      // What was answered already is there before the answer to what was asked behind it.
      await must(client.call(procedures.getAttributes, { handle }));
      t.is(isAnswered, !(sync ? step.sync : step.async), step.name);
      for (const end of held.splice(0)) end();
      await answer;
    }
    store.sync = syncNow;
  });
}

/** Runs something while strace watches a process. Gives what it saw. */
async function traced(t: Test, pid: number, body: () => Promise<void>): Promise<string> {
  const out = join(directory(t), 'trace');
  const calls = 'recvfrom,recvmsg,read,readv,sendto,sendmsg,write,writev,pwrite64,pwritev,pwritev2,fdatasync,fsync';
  const watching = spawn('strace', ['-f', '-y', '-o', out, '-e', `trace=${calls}`, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(watching, 'close');
  t.teardown(() => void watching.kill());
  let said = '';
  await new Promise<void>((resolve, reject) => {
    watching.stderr.setEncoding('utf8').on('data', (part: string) => {
      said += part;
      if (said.includes('attached')) resolve();
    });
    watching.once('close', () => reject(new Error(`strace ended: ${said}`)));
  });
  await body();
  watching.kill('SIGINT');
  await ended;
  return readFile(out, 'utf8');
}

const portOf = ({ mount }: Served): number => Number(/port=(\d+)/.exec(mount!)![1]);

async function connectTo(served: Served): Promise<NfsClient> {
  return new NfsClient(await connectRpc({ host: '127.0.0.1', port: portOf(served) }, { sys: root }));
}

if (long) {
  testAsRoot(test, 'strace')('no answer leaves the server before its sync, as strace sees it', async (t) => {
    const place = directory(t);
    const served = await serve(t, place, '1M', '--volume', 'home:1G:file');
    await ashlar(place, 'export add fast home --async --over nfs');
    for (const [path, kind] of [
      ['/home', 'sync'],
      ['/fast', 'async'],
    ] as const) {
      const client = await connectTo(served);
      const { handle: parent } = await client.mount(path);
      const handle = await fileIn(client, parent);
      const steps = stepsWith(client, parent, handle);
      const trace = await traced(t, served.pid, async () => {
        for (const { run } of steps) await run();
      });
      t.deepEqual(
        syncedAnswers(stepsOf(trace)),
        steps.map((step) => step[kind]),
        `${path}: ${steps.map(({ name }) => name).join(', ')}\n${trace}`,
      );
      await removeFile(client, parent, 'file');
      client.close();
    }
  });

  test('64 clients that write with FILE_SYNC share a sync by eight at least', async (t) => {
    const clients = 64;
    const place = directory(t);
    const served = await serve(t, place, '1M', '--volume', 'home:1G:file');
    const all = await Promise.all(Array.from({ length: clients }, () => connectTo(served)));
    const { handle: parent } = await all[0]!.mount('/home');
    const handle = await fileIn(all[0]!, parent);
    const syncs = async (): Promise<number> =>
      (JSON.parse(await ashlar(place, 'status --json')) as { pool: { syncs: number } }).pool.syncs;
    const writes = 50;
    const before = await syncs();
    await Promise.all(
      all.map((client, index) =>
        each(writes, 1, (at) => write(client, handle, stability.file, (index * writes + at) * data.length)),
      ),
    );
    const answers = clients * writes;
    t.true((await syncs()) - before <= answers / 8, `${(await syncs()) - before} syncs for ${answers} answers`);
    for (const client of all) client.close();
  });
}

const line = (thread: number, text: string): string => `${thread}  ${text}`;
const journal = '33</pool/journal/segment-000000>';
const received = line(1, 'recvfrom(46<socket:[5]>, "..."..., 262144, MSG_DONTWAIT, NULL, NULL) = 156');
const appended = line(1, `pwrite64(${journal}, "ASJ1"..., 4096, 28672) = 4096`);
const syncBegan = line(2, `fdatasync(${journal} <unfinished ...>`);
const syncEnded = line(2, '<... fdatasync resumed>)             = 0');
const syncFailed = line(2, '<... fdatasync resumed>)             = -1 EIO (Input/output error)');
const sent = line(1, 'sendto(46<socket:[5]>, "..."..., 276, MSG_DONTWAIT|MSG_NOSIGNAL, NULL, 0) = 276');

test('an answer that leaves before its sync is told from one that does not, by the order of the system calls', (t) => {
  const isSynced = (...lines: readonly string[]): boolean[] => syncedAnswers(stepsOf(lines.join('\n')));
  t.deepEqual(isSynced(received, appended, syncBegan, syncEnded, sent), [true]);
  t.deepEqual(isSynced(received, appended, syncBegan, sent, syncEnded), [false]);
  t.deepEqual(isSynced(received, syncBegan, appended, syncEnded, sent), [false]);
  t.deepEqual(isSynced(received, appended, syncBegan, syncFailed, sent), [false]);
  t.deepEqual(isSynced(received, sent, received, appended, syncBegan, syncEnded, sent), [false, true]);
  t.deepEqual(isSynced(received, syncBegan, syncEnded, sent), [false]);
});
