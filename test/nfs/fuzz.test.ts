import { once } from 'node:events';
import { connect } from 'node:net';
import { AshlarError, type FileTree } from '@ashlar/core';
import { procedures, status, type NfsClient, nothingSet } from '@ashlar/nfs';
import { SeededRandom } from '@ashlar/testing';
import { RecordAssembler } from '@ashlar/wire';
import test from 'ava';
import { mutated, type Handles } from './mutated-call.ts';
import { root, serveTree } from './server.ts';

const calls = process.env['ASHLAR_LONG'] === '1' ? 1_000_000 : 20_000;
/** Of one connection, before the next one takes its place: one that is no call ends it, and what is behind is not looked at. */
const eachConnection = 8;
/** Calls that a file is made for. */
const eachFile = 200;
const mostGrowthBytes = 150 * 2 ** 20;

/** How many records end in these bytes. */
function recordsIn(assembler: RecordAssembler, bytes: Buffer): number {
  let count = 0;
  for (let at = 0; at < bytes.length;) {
    const place = assembler.next();
    const length = Math.min(place.length, bytes.length - at);
    bytes.copy(place.bytes, place.at, at, at + length);
    at += length;
    if (assembler.came(length) !== undefined) count += 1;
  }
  return count;
}

async function lives(client: NfsClient, directory: Uint8Array): Promise<boolean> {
  const { status: found } = await client.call(procedures.getAttributes, { handle: directory });
  return found === status.ok;
}

const anybody = { who: 'all', anonymousUid: 65_534, anonymousGid: 65_534 } as const;
const owner = { uid: 0, gid: 0, gids: [] };
/** What no reply may have in it: the name of a file in a directory that only root may use, and what is in that file. */
const secret = Buffer.from('nobody but root');

/** Makes that directory and that file, past the protocol. Gives what is known of them, which stays as it is. */
async function makeClosed(tree: FileTree) {
  const request = { who: owner };
  const { file: directory } = await tree.makeDirectory(tree.root, Buffer.from('closed'), { mode: 0o700 }, request);
  const how = { mode: 'guarded', attributes: { mode: 0o600 } } as const;
  const { file } = await tree.create(directory, secret, how, request);
  await tree.write(file, 0, secret, 'file', owner);
  const known = async () => {
    const into = Buffer.alloc(100);
    const { count } = await tree.read(file, 0, into, owner);
    const { entries } = await tree.list(directory, 0n, 100, false, owner);
    // How many names it has may change: to make one of a file nobody has to be allowed to read it.
    const facts = [file, directory].map(async (each) => {
      const { gid, mode, modified, sizeBytes, uid } = await tree.getAttributes(each);
      return { gid, mode, modified, sizeBytes, uid };
    });
    return {
      text: into.subarray(0, count).toString(),
      names: entries.map(({ name }) => Buffer.from(name).toString()),
      facts: await Promise.all(facts),
    };
  };
  return { directory, file, known };
}

/** Sends calls over a connection of their own, which it waits for the end of; gives how many answers came, none of which may have the secret. */
async function send(port: number, some: readonly Buffer[]): Promise<number> {
  const replies = new RecordAssembler(2 ** 21);
  let answered = 0;
  let isTold = false;
  const socket = connect(port, '127.0.0.1');
  socket
    .on('error', () => undefined)
    .on('data', (bytes) => {
      answered += recordsIn(replies, bytes);
      isTold ||= bytes.includes(secret);
    });
  await once(socket, 'connect');
  for (const call of some) socket.write(call);
  socket.end();
  const limit = setTimeout(() => socket.destroy(), 20_000);
  await once(socket, 'close');
  clearTimeout(limit);
  if (isTold) throw new AshlarError('denied', 'an answer has what only root may read');
  return answered;
}

test('calls that were changed on the way cost nothing but themselves, and open nothing', async (t) => {
  t.timeout(3_600_000);
  const { connect: open, handleOf, port, tree } = await serveTree(t, { squash: anybody });
  const closed = await makeClosed(tree);
  const before = await closed.known();
  const client = await open(root);
  const { handle: directory } = await client.mount('/data');
  const how = { mode: 'unchecked', attributes: nothingSet } as const;
  const random = new SeededRandom(11);
  let usedBytes = 0;
  let answered = 0;
  let handles: Handles = { directory, file: directory, closed: directory };
  for (let done = 0; done < calls; done += eachConnection) {
    if (done % eachFile === 0) {
      await client.call(procedures.remove, { directory, name: Buffer.from(`file${done - eachFile}`) });
      const made = await client.call(procedures.create, { directory, name: Buffer.from(`file${done}`), how });
      const file = made.ok!.handle!;
      handles = { directory, file, closed: handleOf(random.oneIn(2) ? closed.file : closed.directory) };
    }
    const some = Array.from({ length: eachConnection }, (_, at) => mutated(random, handles, done + at));
    answered += await send(port, some);
    if (!(await lives(client, directory))) return t.fail(`the server is gone behind ${done} calls`);
    if (done >= calls / 4 && usedBytes === 0) usedBytes = process.memoryUsage().rss;
  }
  t.true(answered > calls / 4, `${answered} of ${calls} calls were answered`);
  t.log(`${answered} of ${calls} calls were answered`);
  t.deepEqual(await closed.known(), before);
  const growth = process.memoryUsage().rss - usedBytes;
  t.true(growth < mostGrowthBytes, `memory grew by ${Math.round(growth / 2 ** 20)} MiB`);
});
