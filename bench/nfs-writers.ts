import { connectRpc, NfsClient, procedures, stability, status, nothingSet } from '@ashlar/nfs';

/**
 * Clients of a share, each with a connection and a file of its own, that write 4 KiB each with FILE_SYNC, one after the other: a program of its own, so that who
 * measures does not stand in the way. Arguments: host, port of NFS, port of MOUNT, path, how many clients, how many writes of each. Prints milliseconds as JSON.
 */
const [host = '', port = '', mountPort = '', path = '', clientsText = '', writesText = ''] = process.argv.slice(2);
const writes = Number(writesText);
const sys = { stamp: 1, machine: 'bench', uid: 0, gid: 0, gids: [] };
const run = Math.floor(Math.random() * 2 ** 31);
const data = Buffer.alloc(4096, 7);
/** Written over again and again: what is measured is no growth. */
const blocks = 16;
/** Writes of each before the measured ones: both programs are compiled by then. */
const warming = 100;

const connected = async (at: string): Promise<NfsClient> =>
  new NfsClient(await connectRpc({ host, port: Number(at) }, { sys }));

const must = (what: string, found: number): void => {
  if (found !== status.ok) throw new Error(`${what} failed with ${found}`);
};

const mounting = await connected(mountPort);
const { handle: root, status: mounted } = await mounting.mount(path);
must('MNT', mounted);
mounting.close();

type Writer = { readonly client: NfsClient; readonly name: Uint8Array; readonly handle: Uint8Array };

async function open(index: number): Promise<Writer> {
  const client = await connected(port);
  const name = Buffer.from(`writer-${run}-${index}`);
  const how = { mode: 'guarded', attributes: { ...nothingSet, mode: 0o644 } } as const;
  const made = await client.call(procedures.create, { directory: root, name, how });
  must('CREATE', made.status);
  return { client, name, handle: made.ok!.handle! };
}

async function write({ client, handle }: Writer, at: number): Promise<number> {
  const fromMs = performance.now();
  const offset = (at % blocks) * data.length;
  const args = { handle, offset, count: data.length, stability: stability.file, data };
  must('WRITE', (await client.call(procedures.write, args)).status);
  return performance.now() - fromMs;
}

const writers = await Promise.all(Array.from({ length: Number(clientsText) }, (_, index) => open(index)));
for (let at = 0; at < warming; at += 1) await Promise.all(writers.map((writer) => write(writer, at)));
const fromMs = performance.now();
const ms: number[] = [];
await Promise.all(
  writers.map(async (writer) => {
    for (let at = 0; at < writes; at += 1) ms.push(await write(writer, at));
  }),
);
const seconds = (performance.now() - fromMs) / 1000;
for (const { client, name } of writers) {
  must('REMOVE', (await client.call(procedures.remove, { directory: root, name })).status);
  client.close();
}
ms.sort((a, b) => a - b);
const at = (share: number): number => ms[Math.min(ms.length - 1, Math.floor(ms.length * share))]!;
console.log(
  JSON.stringify({ p50: at(0.5), p99: at(0.99), count: ms.length, seconds, all: ms.length + warming * writers.length }),
);
