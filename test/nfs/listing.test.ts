import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectRpc, NfsClient } from '@ashlar/nfs';
import test, { type ExecutionContext } from 'ava';
import { directory as freshDirectory, long, serve } from '../clients/served.ts';
import { each, list, makeDirectory, makeFile, removeDirectory, removeFile } from './calls.ts';
import { listMillion } from './million.ts';
import { root, serveTree } from './server.ts';

/** Entries that are there throughout, and what each of two others makes and removes meanwhile. */
const size = long
  ? { entries: 100_000, changesPerSecond: 500, passes: 3 }
  : { entries: 2000, changesPerSecond: 250, passes: 1 };

type Place = { readonly connect: () => Promise<NfsClient>; readonly directory: Uint8Array; readonly root: Uint8Array };

/** In full on a server of its own; in short on a tree in memory. */
async function placeOf(t: ExecutionContext): Promise<Place> {
  const connect = long ? await served(t) : await inMemory(t);
  const client = await connect();
  const { handle } = await client.mount(long ? '/home' : '/data');
  return { connect, root: handle, directory: await makeDirectory(client, handle, 'many') };
}

async function inMemory(t: ExecutionContext): Promise<Place['connect']> {
  const { connect } = await serveTree(t);
  return () => connect(root);
}

async function served(t: ExecutionContext): Promise<Place['connect']> {
  const { mount } = await serve(t, join(freshDirectory(t), 'data'), '1M', '--volume', 'home:1G:file');
  const port = Number(/port=(\d+)/.exec(mount!)![1]);
  return async () => {
    const client = new NfsClient(await connectRpc({ host: '127.0.0.1', port }, { sys: root }));
    t.teardown(() => client.close());
    return client;
  };
}

/** Makes and removes files at a rate until it is told to end; gives how many changes that were. */
async function churn({ connect, directory }: Place, mark: string, isOver: () => boolean): Promise<number> {
  const client = await connect();
  const there: string[] = [];
  const turnMs = 20;
  const eachTurn = (size.changesPerSecond * turnMs) / 1000;
  let changes = 0;
  for (let next = performance.now(); !isOver(); next += turnMs) {
    const name = (at: number): string => `${mark}-${changes + at}`;
    const isMaking = there.length < eachTurn * 10;
    const names = isMaking ? Array.from({ length: eachTurn }, (_, at) => name(at)) : there.splice(0, eachTurn);
    await Promise.all(names.map((each) => (isMaking ? makeFile : removeFile)(client, directory, each)));
    if (isMaking) there.push(...names);
    changes += names.length;
    await sleep(Math.max(0, next - performance.now()));
  }
  return changes;
}

/** What a listing found: how many of those that are there throughout, and of others, and how many more than once. */
async function passOf(client: NfsClient, directory: Uint8Array, isPlus: boolean) {
  const found = new Set<string>();
  let kept = 0;
  let others = 0;
  let twice = 0;
  for await (const entries of list(client, directory, { isPlus, replyBytes: 4096 })) {
    for (const { name } of entries) {
      if (found.has(name)) twice += 1;
      found.add(name);
      if (name.startsWith('kept-')) kept += 1;
      else others += 1;
    }
  }
  return { kept, others, twice };
}

test('listings give each entry that is there throughout once, whatever is made and removed meanwhile, and all can be removed along one', async (t) => {
  t.timeout(1_800_000);
  const place = await placeOf(t);
  const { directory } = place;
  const client = await place.connect();
  await each(size.entries, 64, (at) => makeFile(client, directory, `kept-${at}`));
  let isOver = false;
  const began = performance.now();
  const churning = [0, 1].map((index) => churn(place, `gone-${index}`, () => isOver));
  let others = 0;
  for (const isPlus of [false, true]) {
    for (let pass = 0; pass < size.passes; pass += 1) {
      const found = await passOf(client, directory, isPlus);
      t.is(found.twice, 0);
      t.is(found.kept, size.entries);
      others += found.others;
    }
  }
  isOver = true;
  const changes = (await Promise.all(churning)).reduce((sum, each) => sum + each);
  const seconds = (performance.now() - began) / 1000;
  t.log(`${changes} made and removed meanwhile, ${Math.round(changes / seconds)} a second`);
  t.true(changes > 0 && others > 0);

  for await (const entries of list(client, directory, { isPlus: false })) {
    await each(entries.length, 64, (at) => removeFile(client, directory, entries[at]!.name));
  }
  await removeDirectory(client, place.root, 'many');
});

// It takes minutes to make them.
if (long) {
  test(
    'a million files of a directory are listed, and each of them is asked for, beside 10,000 idle connections',
    listMillion,
  );
}
