import { connectRpc, NfsClient, procedures, status, nothingSet } from '@ashlar/nfs';

/**
 * Makes, looks at, lists and removes files of a share over one connection: a program of its own, so that who measures does not stand in the way. Arguments: host, port of
 * NFS, port of MOUNT, path, how many files, how many calls at once. Prints seconds of each as JSON.
 */
const [host = '', port = '', mountPort = '', path = '', countText = '', depthText = ''] = process.argv.slice(2);
const count = Number(countText);
const depth = Number(depthText);
const sys = { stamp: 1, machine: 'bench', uid: 0, gid: 0, gids: [] };
const folder = Buffer.from(`names-${Math.floor(Math.random() * 2 ** 31)}`);

const attributes = { ...nothingSet, mode: 0o644 };

/** Runs something for each number up to the count, so many at once. Gives seconds. */
async function each(run: (at: number) => Promise<void>): Promise<number> {
  const fromMs = performance.now();
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < count) {
      const at = next;
      next += 1;
      await run(at);
    }
  };
  await Promise.all(Array.from({ length: depth }, one));
  return (performance.now() - fromMs) / 1000;
}

const connected = async (at: string): Promise<NfsClient> =>
  new NfsClient(await connectRpc({ host, port: Number(at) }, { sys }));

const must = (what: string, found: number): void => {
  if (found !== status.ok) throw new Error(`${what} failed with ${found}`);
};

const mounting = await connected(mountPort);
const { handle: root, status: mounted } = await mounting.mount(path);
must('MNT', mounted);
mounting.close();
const client = await connected(port);
const name = (at: number): Uint8Array => Buffer.from(`file-${at}`);
const made = await client.call(procedures.makeDirectory, {
  directory: root,
  name: folder,
  attributes: { ...attributes, mode: 0o755 },
});
must('MKDIR', made.status);
const directory = made.ok!.handle!;

const create = await each(async (at) => {
  const how = { mode: 'guarded', attributes } as const;
  must('CREATE', (await client.call(procedures.create, { directory, name: name(at), how })).status);
});
const stat = await each(async (at) => {
  must('LOOKUP', (await client.call(procedures.lookup, { directory, name: name(at) })).status);
});
const listFromMs = performance.now();
let listed = 0;
let cookie = 0n;
let verifier: Uint8Array = Buffer.alloc(8);
for (let isEnd = false; !isEnd;) {
  const args = { directory, cookie, verifier, directoryBytes: 65_536, mostBytes: 65_536 };
  const page = await client.call(procedures.readDirectoryPlus, args);
  must('READDIRPLUS', page.status);
  listed += page.ok!.entries.length;
  cookie = page.ok!.entries.at(-1)?.cookie ?? cookie;
  ({ isEnd, verifier } = page.ok!);
}
const list = (performance.now() - listFromMs) / 1000;
const remove = await each(async (at) => {
  must('REMOVE', (await client.call(procedures.remove, { directory, name: name(at) })).status);
});
must('RMDIR', (await client.call(procedures.removeDirectory, { directory: root, name: folder })).status);
client.close();
console.log(JSON.stringify({ create, stat, list, listed, remove }));
