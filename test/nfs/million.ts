import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MiB } from '@ashlar/core';
import { connectRpc, NfsClient, procedures } from '@ashlar/nfs';
import type { ExecutionContext } from 'ava';
import { directory as freshDirectory, serve, type Served } from '../clients/served.ts';
import { each, list, makeDirectory, makeFile } from './calls.ts';
import { root } from './server.ts';

const files = 1_000_000;
const idleConnections = 10_000;

const up = (t: ExecutionContext, data: string): Promise<Served> => serve(t, data, '1M', '--volume', 'home:1G:file');

async function connectTo(t: ExecutionContext, { mount }: Served, count: number): Promise<NfsClient[]> {
  const port = Number(/port=(\d+)/.exec(mount!)![1]);
  const clients: NfsClient[] = [];
  t.teardown(() => clients.forEach((client) => client.close()));
  await each(count, 64, async () => {
    const rpc = await connectRpc({ host: '127.0.0.1', port }, { sys: root, timeoutMs: 60_000 });
    clients.push(new NfsClient(rpc));
  });
  return clients;
}

/** What a process has in memory, in bytes: all of it, and what of that is its own and no file's. */
function memoryOf(pid: number): { readonly allBytes: number; readonly ownBytes: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const [allBytes, ownBytes] = ['VmRSS', 'RssAnon'].map(
    (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)![1]) * 1024,
  );
  return { allBytes: allBytes!, ownBytes: ownBytes! };
}

/** Lists the directory by a server that was just started, and gives all handles. */
async function listed(t: ExecutionContext, client: NfsClient, directory: Uint8Array): Promise<Uint8Array[]> {
  for (const isPlus of [false, true]) {
    const began = performance.now();
    const names = new Set<string>();
    const handles: Uint8Array[] = [];
    let entriesSeen = 0;
    for await (const entries of list(client, directory, { isPlus, replyBytes: MiB })) {
      entriesSeen += entries.length;
      for (const { handle, name } of entries) {
        names.add(name);
        if (handle !== undefined) handles.push(handle);
      }
    }
    t.log(`${isPlus ? 'READDIRPLUS' : 'READDIR'} of all: ${((performance.now() - began) / 1000).toFixed(1)} s`);
    t.is(entriesSeen, files);
    t.is(names.size, files);
    if (isPlus) return handles;
  }
  return [];
}

/** All files of a large directory are listed, and each of them is asked for, beside many idle connections. */
export async function listMillion(t: ExecutionContext): Promise<void> {
  t.timeout(3_600_000);
  const data = join(freshDirectory(t), 'data');
  const first = await up(t, data);
  const makers = await connectTo(t, first, 4);
  const { handle } = await makers[0]!.mount('/home');
  const directory = await makeDirectory(makers[0]!, handle, 'million');
  await each(files, 256, (at) => makeFile(makers[at % makers.length]!, directory, `file-${at}`));
  await first.stop();

  const second = await up(t, data);
  const clients = await connectTo(t, second, 4);
  const handles = await listed(t, clients[0]!, directory);
  const idle = await connectTo(t, second, idleConnections);
  await each(idle.length, 64, (at) => idle[at]!.call(procedures.getAttributes, { handle: directory }));
  let failed = 0;
  await each(handles.length, 64, async (at) => {
    const found = await clients[at % clients.length]!.call(procedures.getAttributes, { handle: handles[at]! });
    if (found.status !== 0) failed += 1;
  });
  t.is(failed, 0);
  const { allBytes, ownBytes } = memoryOf(second.pid);
  t.log(
    `the server has ${Math.round(allBytes / MiB)} MiB in memory, ${Math.round(ownBytes / MiB)} MiB of them no file's`,
  );
}
