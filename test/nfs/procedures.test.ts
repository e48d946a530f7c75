import { fileType, procedures, stability, status, accessBit, type NfsClient, nothingSet } from '@ashlar/nfs';
import test from 'ava';
import { root, serveTree, user } from './server.ts';

const named = (text: string): Buffer => Buffer.from(text);
const plain = { mode: 'guarded', attributes: { ...nothingSet, mode: 0o644 } } as const;

async function create(client: NfsClient, directory: Uint8Array, name: string): Promise<Uint8Array> {
  const { ok } = await client.call(procedures.create, { directory, name: named(name), how: plain });
  return ok!.handle!;
}

test('a directory is mounted, and a path below it, and nothing else', async (t) => {
  const { connect } = await serveTree(t);
  const client = await connect(root);
  const { handle, status: found } = await client.mount('/data');
  t.is(found, 0);
  t.true(handle.length >= 32 && handle.length <= 56);
  await client.call(procedures.makeDirectory, { directory: handle, name: named('a'), attributes: nothingSet });
  t.is((await client.mount('/data/a')).status, 0);
  t.is((await client.mount('/data/b')).status, status.notFound);
  t.is((await client.mount('/other')).status, status.notFound);
  await create(client, handle, 'file');
  t.is((await client.mount('/data/file')).status, status.notDirectory);
});

test('a file is made, written, read, and told of, with attributes before and after', async (t) => {
  const { connect } = await serveTree(t);
  const client = await connect();
  const { handle: directory } = await client.mount('/data');
  const before = (await client.call(procedures.getAttributes, { handle: directory })).ok!.attributes;
  const { ok: made } = await client.call(procedures.create, { directory, name: named('ä'), how: plain });
  t.is(made!.after!.uid, 1000);
  t.is(made!.after!.type, fileType.regular);
  t.is(made!.after!.fileSystem, 77n);
  t.deepEqual(made!.directoryChange.before!.changed, before.changed);
  const handle = made!.handle!;
  const data = Buffer.alloc(1_000_001, 'some text. ');
  const { ok: written } = await client.call(procedures.write, {
    handle,
    offset: 5,
    count: data.length,
    stability: stability.unstable,
    data,
  });
  t.is(written!.count, data.length);
  t.is(written!.change.before!.sizeBytes, 0);
  t.is(written!.change.after!.sizeBytes, data.length + 5);
  const { ok: committed } = await client.call(procedures.commit, { handle, offset: 0, count: 0 });
  t.deepEqual(committed!.verifier, written!.verifier);
  const { ok: found } = await client.call(procedures.read, { handle, offset: 0, count: 2 ** 20 });
  t.is(found!.count, data.length + 5);
  t.true(found!.isEnd);
  t.true(Buffer.from(found!.data).equals(Buffer.concat([Buffer.alloc(5), data])));
  const { ok: part } = await client.call(procedures.read, { handle, offset: 6, count: 3 });
  t.is(Buffer.from(part!.data).toString(), 'ome');
  t.false(part!.isEnd);
  const { ok: looked } = await client.call(procedures.lookup, { directory, name: named('ä') });
  t.deepEqual(looked!.handle, handle);
  t.is(looked!.after!.sizeBytes, data.length + 5);
});

test('what goes wrong has its status, and attributes where there are any', async (t) => {
  const { connect } = await serveTree(t);
  const client = await connect();
  const { handle: directory } = await client.mount('/data');
  const missing = await client.call(procedures.lookup, { directory, name: named('none') });
  t.is(missing.status, status.notFound);
  t.is(missing.fail!.directoryAfter!.type, fileType.directory);
  const bad = await client.call(procedures.getAttributes, { handle: Buffer.alloc(32, 1) });
  t.is(bad.status, status.badHandle);
  const handle = await create(client, directory, 'a');
  t.is((await client.call(procedures.create, { directory, name: named('a'), how: plain })).status, status.exists);
  const removed = await client.call(procedures.remove, { directory, name: named('a') });
  t.is(removed.status, 0);
  t.is((await client.call(procedures.getAttributes, { handle })).status, status.stale);
  const read = await client.call(procedures.read, { handle, offset: 0, count: 10 });
  t.is(read.status, status.stale);
  t.is(read.fail!.after, undefined);
  const written = await client.call(procedures.write, {
    handle: directory,
    offset: 0,
    count: 1,
    stability: 0,
    data: named('a'),
  });
  t.is(written.status, status.isDirectory);
  t.is(written.fail!.change.after!.type, fileType.directory);
  const name = Buffer.alloc(300, 'n');
  t.is((await client.call(procedures.lookup, { directory, name })).status, status.nameTooLong);
});

test('an export to be read is read, and nothing more', async (t) => {
  const { connect, tree } = await serveTree(t, { readOnly: true });
  const who = { who: { uid: 1000, gid: 100, gids: [] } };
  await tree.create(tree.root, named('a'), { mode: 'guarded', attributes: { mode: 0o666 } }, who);
  const client = await connect();
  const { handle: directory } = await client.mount('/data');
  const { handle } = (await client.call(procedures.lookup, { directory, name: named('a') })).ok!;
  const access = await client.call(procedures.access, { handle, access: 0x3f });
  t.is(access.ok!.access, accessBit.read);
  for (const outcome of [
    await client.call(procedures.write, { handle, offset: 0, count: 1, stability: 0, data: named('a') }),
    await client.call(procedures.remove, { directory, name: named('a') }),
    await client.call(procedures.setAttributes, { handle, attributes: nothingSet, guard: undefined }),
  ]) {
    t.is(outcome.status, status.readOnly);
  }
});

test('root is nobody where it is squashed, and who says nothing is', async (t) => {
  const squash = { who: 'root', anonymousUid: 65_534, anonymousGid: 65_534 } as const;
  const { connect } = await serveTree(t, { squash });
  const client = await connect(root);
  const { handle: directory } = await client.mount('/data');
  const made = await client.call(procedures.create, { directory, name: named('a'), how: plain });
  t.deepEqual([made.ok!.after!.uid, made.ok!.after!.gid], [65_534, 65_534]);
  const other = await connect(user);
  const own = await other.call(procedures.create, { directory, name: named('b'), how: plain });
  t.is(own.ok!.after!.uid, 1000);
});

test('a listing comes in replies as large as they may be, with or without attributes', async (t) => {
  const { connect } = await serveTree(t);
  const client = await connect();
  const { handle: directory } = await client.mount('/data');
  const names = Array.from({ length: 300 }, (_, at) => `file ${at}`);
  await Promise.all(names.map((name) => create(client, directory, name)));
  for (const isPlus of [false, true]) {
    const found: string[] = [];
    let cookie = 0n;
    let replies = 0;
    for (let isEnd = false; !isEnd; replies += 1) {
      const verifier = Buffer.alloc(8);
      const { ok } = isPlus
        ? await client.call(procedures.readDirectoryPlus, {
            directory,
            cookie,
            verifier,
            directoryBytes: 2048,
            mostBytes: 8192,
          })
        : await client.call(procedures.readDirectory, { directory, cookie, verifier, count: 2048 });
      for (const entry of ok!.entries) {
        found.push(Buffer.from(entry.name).toString());
        cookie = entry.cookie;
      }
      isEnd = ok!.isEnd;
    }
    t.deepEqual(found.toSorted(), [...names, '.', '..'].toSorted());
    t.true(replies > 5, String(replies));
  }
  const small = await client.call(procedures.readDirectory, {
    directory,
    cookie: 0n,
    verifier: Buffer.alloc(8),
    count: 100,
  });
  t.is(small.status, status.tooSmall);
});

test('names are linked, renamed and removed, and links are read', async (t) => {
  const { connect } = await serveTree(t);
  const client = await connect();
  const { handle: directory } = await client.mount('/data');
  const handle = await create(client, directory, 'a');
  const linked = await client.call(procedures.link, { handle, link: { directory, name: named('b') } });
  t.is(linked.ok!.after!.links, 2);
  const moved = await client.call(procedures.rename, {
    from: { directory, name: named('a') },
    to: { directory, name: named('c') },
  });
  t.is(moved.status, 0);
  t.truthy(moved.ok!.fromChange.before);
  const link = await client.call(procedures.makeLink, {
    directory,
    name: named('l'),
    attributes: nothingSet,
    text: named('../x'),
  });
  t.is(link.ok!.after!.type, fileType.link);
  const text = await client.call(procedures.readLink, { handle: link.ok!.handle! });
  t.is(Buffer.from(text.ok!.text).toString(), '../x');
  const node = { type: fileType.fifo, attributes: nothingSet, device: undefined };
  t.is((await client.call(procedures.makeNode, { directory, name: named('f'), node })).ok!.after!.type, fileType.fifo);
  for (const name of ['b', 'c', 'l', 'f'])
    t.is((await client.call(procedures.remove, { directory, name: named(name) })).status, 0);
  t.is((await client.call(procedures.removeDirectory, { directory, name: named('b') })).status, status.notFound);
});

test('a call that comes again gets its first answer, over another connection too', async (t) => {
  const { connect } = await serveTree(t);
  const client = await connect();
  const { handle: directory } = await client.mount('/data');
  const args = { directory, name: named('a'), how: plain };
  const first = await client.call(procedures.create, args, 1234);
  const again = await (await connect()).call(procedures.create, args, 1234);
  t.deepEqual(again, first);
  const removed = await client.call(procedures.remove, { directory, name: named('a') }, 1235);
  const removedAgain = await client.call(procedures.remove, { directory, name: named('a') }, 1235);
  t.deepEqual(removedAgain, removed);
  t.is((await client.call(procedures.remove, { directory, name: named('a') }, 1236)).status, status.notFound);
});

test('a server tells what it can, and how much there is', async (t) => {
  const { connect } = await serveTree(t);
  const client = await connect();
  const { handle } = await client.mount('/data');
  const { ok: information } = await client.call(procedures.information, { handle });
  t.is(information!.mostReadBytes, 2 ** 20);
  t.is(information!.properties, 1 | 2 | 8 | 16);
  t.true(information!.mostFileBytes >= 2n ** 46n);
  const { ok: found } = await client.call(procedures.statistics, { handle });
  t.is(found!.totalBytes, 2 ** 40);
  t.is(found!.freeBytes, 2 ** 39);
  const { ok: limits } = await client.call(procedures.pathLimits, { handle });
  t.is(limits!.mostNameBytes, 255);
  t.false(limits!.caseInsensitive);
});

test('many calls at once are all answered', async (t) => {
  const { connect } = await serveTree(t);
  const client = await connect();
  const { handle: directory } = await client.mount('/data');
  const handle = await create(client, directory, 'a');
  const data = Buffer.alloc(100_000, 1);
  await Promise.all(
    Array.from({ length: 200 }, (_, at) =>
      client.call(procedures.write, {
        handle,
        offset: at * data.length,
        count: data.length,
        stability: stability.unstable,
        data,
      }),
    ),
  );
  const found = await Promise.all(
    Array.from({ length: 200 }, (_, at) =>
      client.call(procedures.read, { handle, offset: at * data.length, count: data.length }),
    ),
  );
  t.true(found.every(({ ok }) => Buffer.from(ok!.data).equals(data)));
});

test('a call that comes again behind a restart gets its first answer', async (t) => {
  const first = await serveTree(t);
  const client = await first.connect();
  const { handle: directory } = await client.mount('/data');
  await create(client, directory, 'a');
  const args = { directory, name: named('a') };
  const removed = await client.call(procedures.remove, args, 99);
  const second = await serveTree(t, {}, first.store.afterKill());
  const other = await second.connect();
  t.deepEqual(await other.call(procedures.remove, args, 99), removed);
  t.is((await other.call(procedures.remove, args, 100)).status, status.notFound);
});
