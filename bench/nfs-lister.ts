import { connectRpc, NfsClient, procedures, status, nothingSet } from '@ashlar/nfs';

/**
 * Makes files of a directory of a share over one connection, or lists it: a program of its own, so that who measures does not stand in the way. Arguments: host, port of NFS,
 * port of MOUNT, path, directory, and what to do: `make`, with how many files and how many calls at once, `READDIR` or `READDIRPLUS`. Prints seconds as JSON, and how many it has listed.
 */
const [host = '', port = '', mountPort = '', path = '', name = '', what = '', countText = '', depthText = ''] =
  process.argv.slice(2);
const sys = { stamp: 1, machine: 'bench', uid: 0, gid: 0, gids: [] };
const replyBytes = 65_536;

const attributes = { ...nothingSet, mode: 0o644 };

const connected = async (at: string): Promise<NfsClient> =>
  new NfsClient(await connectRpc({ host, port: Number(at) }, { sys, timeoutMs: 120_000 }));

function ok<S>(call: string, found: { readonly status: number; readonly ok: S | undefined }): S {
  if (found.status !== status.ok || found.ok === undefined) throw new Error(`${call} failed with ${found.status}`);
  return found.ok;
}

async function make(client: NfsClient, root: Uint8Array): Promise<void> {
  const own = { directory: root, name: Buffer.from(name), attributes: { ...attributes, mode: 0o755 } };
  const directory = ok('MKDIR', await client.call(procedures.makeDirectory, own)).handle!;
  const how = { mode: 'guarded', attributes } as const;
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < Number(countText)) {
      next += 1;
      const args = { directory, name: Buffer.from(`file-${next}`), how };
      ok('CREATE', await client.call(procedures.create, args));
    }
  };
  await Promise.all(Array.from({ length: Number(depthText) }, one));
}

/** Gives how many entries there are, `.` and `..` among them where the server lists those. */
async function list(client: NfsClient, root: Uint8Array): Promise<number> {
  const found = await client.call(procedures.lookup, { directory: root, name: Buffer.from(name) });
  const { handle: directory } = ok('LOOKUP', found);
  let listed = 0;
  let cookie = 0n;
  let verifier: Uint8Array = Buffer.alloc(8);
  for (let isEnd = false; !isEnd;) {
    const at = { directory, cookie, verifier };
    const { entries, ...page } =
      what === 'READDIR'
        ? ok(what, await client.call(procedures.readDirectory, { ...at, count: replyBytes }))
        : ok(
            what,
            await client.call(procedures.readDirectoryPlus, {
              ...at,
              directoryBytes: replyBytes,
              mostBytes: replyBytes,
            }),
          );
    listed += entries.length;
    cookie = entries.at(-1)?.cookie ?? cookie;
    ({ isEnd, verifier } = page);
  }
  return listed;
}

const mounting = await connected(mountPort);
const { handle: root } = await mounting.mount(path);
mounting.close();
const client = await connected(port);
const fromMs = performance.now();
const listed = what === 'make' ? await make(client, root) : await list(client, root);
console.log(JSON.stringify({ seconds: (performance.now() - fromMs) / 1000, listed }));
client.close();
