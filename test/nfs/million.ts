import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MiB } from '@ashlar/core';
import { connectRpc, NfsClient, procedures } from '@ashlar/nfs';
import type { ExecutionContext } from 'ava';
import { directory as freshDirectory, serve, type Served } from '../clients/served.ts';
import { each, list, makeDirectory, makeFile } from './calls.ts';
import { root } from './server.ts';

const files = 1_000_000;
const idleConnections = 10_000;

/** Memory that a server may have of its own. Pages of files, its database's among them, are the kernel's, which takes them when it needs room. */
const mostOwnBytes = 500 * MiB;

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

/** Tells what the server has in memory; gives what of that is its own and no file's. */
function ownBytesOf(t: ExecutionContext, { pid }: Served, when: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytesOf = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)![1]) * 1024;
  const ownBytes = bytesOf('RssAnon') + bytesOf('RssShmem');
  const mebibytes = (bytes: number): number => Math.round(bytes / MiB);
  t.log(`${when}: ${mebibytes(ownBytes)} MiB of its own, ${mebibytes(bytesOf('RssFile'))} MiB of files`);
  return ownBytes;
}

const descriptorsOf = ({ pid }: Served): number => readdirSync(`/proc/${pid}/fd`).length;

/** Connects, with a call over each connection, and leaves them idle. */
async function connectIdle(t: ExecutionContext, served: Served, directory: Uint8Array): Promise<NfsClient[]> {
  const idle = await connectTo(t, served, idleConnections);
  await each(idle.length, 64, (at) => idle[at]!.call(procedures.getAttributes, { handle: directory }));
  return idle;
}

/** Asks for each file by its handle and by its name; gives how many of these calls failed. */
async function touched(clients: readonly NfsClient[], directory: Uint8Array, handles: readonly Uint8Array[]) {
  let failed = 0;
  await each(handles.length, 64, async (at) => {
    const client = clients[at % clients.length]!;
    const found = await client.call(procedures.getAttributes, { handle: handles[at]! });
    const named = await client.call(procedures.lookup, { directory, name: Buffer.from(`file-${at}`) });
    if (found.status !== 0 || named.status !== 0) failed += 1;
  });
  return failed;
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
  ownBytesOf(t, second, 'listed');
  const idle = await connectIdle(t, second, directory);
  t.is(await touched(clients, directory, handles), 0);
  t.true(ownBytesOf(t, second, 'all files touched, 10,000 connections idle') < mostOwnBytes);

  for (let round = 0; round < 2; round += 1) {
    idle.splice(0).forEach((client) => client.close());
    while (descriptorsOf(second) > idleConnections / 2) await sleep(100);
    idle.push(...(await connectIdle(t, second, directory)));
  }
  t.true(ownBytesOf(t, second, 'and with others in their place, twice') < mostOwnBytes);
}
