import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AshlarError, type BlockDevice } from '@ashlar/core';
import { openNbd } from '@ashlar/nbd';
import { connectRpc, NfsClient, procedures, stability, status, nothingSet } from '@ashlar/nfs';
import { testAsRoot } from '@ashlar/testing';
import test from 'ava';
import { directory, long, serve, type Test } from '../clients/served.ts';
import { makeFile } from '../nfs/calls.ts';
import { root } from '../nfs/server.ts';
import { statusOf } from './ashlar.ts';

const MiB = 2 ** 20;

/** A file system of that size in memory. */
function tmpfs(t: Test, sizeMiB: number): string {
  const path = directory(t);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}M`, 'tmpfs', path]);
  t.teardown(() => void execFileSync('umount', ['-l', path]));
  return path;
}

/** An ext4 of that size in a file, on a loop device. */
function ext4(t: Test, sizeMiB: number): string {
  const path = directory(t);
  const image = join(path, 'image');
  const mounted = join(path, 'mounted');
  mkdirSync(mounted);
  execFileSync('truncate', ['-s', `${sizeMiB}M`, image]);
  execFileSync('mkfs.ext4', ['-q', '-F', image]);
  execFileSync('mount', ['-o', 'loop', image, mounted]);
  t.teardown(() => void execFileSync('umount', ['-l', mounted]));
  return mounted;
}

function contents(index: number): Uint8Array {
  const bytes = new Uint8Array(MiB);
  new Uint32Array(bytes.buffer).fill(0x10000 + index);
  return bytes;
}

/** Writes a MiB after the other, from one on, until there is no space; gives how many were acknowledged. */
async function fill(device: BlockDevice, first = 0): Promise<number> {
  const most = device.sizeBytes / MiB;
  for (let index = first; index < most; index += 1) {
    try {
      await device.write(index * MiB, contents(index), index % 8 === 0);
    } catch (error) {
      if (error instanceof AshlarError && error.kind === 'no-space') return index - first;
      throw error;
    }
  }
  return most - first;
}

async function holds(device: BlockDevice, index: number): Promise<boolean> {
  const into = new Uint8Array(MiB);
  await device.read(index * MiB, into);
  return Buffer.compare(into, contents(index)) === 0;
}

async function writesAgain(device: BlockDevice, index: number): Promise<boolean> {
  for (let tries = 0; tries < 100; tries += 1) {
    try {
      await device.write(index * MiB, contents(index), true);
      return true;
    } catch (error) {
      if (!(error instanceof AshlarError) || error.kind !== 'no-space') throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  return false;
}

const kinds = long ? { tmpfs, ext4 } : { tmpfs };
const testHere = testAsRoot(test);

for (const [name, make] of Object.entries(kinds)) {
  testHere(`a full disk (${name}): no-space for new data, everything else goes on, and nothing is lost`, async (t) => {
    const place = make(t, 512);
    const ballast = join(place, 'ballast');
    writeFileSync(ballast, new Uint8Array(16 * MiB));
    const data = join(place, 'data');
    const server = await serve(t, data, '2G');
    const device = await openNbd(server.uri, { reconnectMs: 0 });
    const count = await fill(device);
    t.log(`${count} MiB of 512 went in`);
    // The least journal, the reserve and the ballast take some 96 MiB of it.
    t.true(count > 350 && count < 440);

    t.true((await holds(device, 0)) && (await holds(device, count - 1)), 'reads go on');
    await device.write(3 * MiB, contents(3), true);
    await device.write(5 * MiB + 4096, contents(5).subarray(0, 4096), true);
    await device.flush();
    t.is((await statusOf(data)).pool.state === 'failed', false);

    rmSync(ballast);
    t.true(await writesAgain(device, count), 'room that came back is used');
    const again = count + 1 + (await fill(device, count + 1));
    await device.trim(8 * MiB, 64 * MiB, true);
    t.true(await writesAgain(device, again), 'so is room that a trim gave back');
    for (let index = 0; index < again; index += 1) {
      if (index < 8 || index >= 72) t.true(await holds(device, index), `MiB ${index}`);
    }
    await device.close();
    await server.kill();

    const second = await serve(t, data, '2G');
    const reader = await openNbd(second.uri, { reconnectMs: 0 });
    for (let index = 0; index <= again; index += 1) {
      if (index < 8 || index >= 72) t.true(await holds(reader, index), `MiB ${index} after kill -9`);
    }
    await reader.close();
  });
}

async function write(client: NfsClient, directory: Uint8Array, name: string, bytes: number): Promise<number> {
  const { ok } = await client.call(procedures.lookup, { directory, name: Buffer.from(name) });
  const data = Buffer.alloc(MiB, name);
  for (let offset = 0; offset < bytes; offset += MiB) {
    const args = { handle: ok!.handle, offset, count: MiB, stability: stability.unstable, data };
    const found = await client.call(procedures.write, args);
    if (found.status !== status.ok) return found.status;
  }
  return status.ok;
}

testHere(
  'a disk that is full of names and bytes of files takes no more of either, and gives room back as they are removed',
  async (t) => {
    const data = join(tmpfs(t, 192), 'data');
    const server = await serve(t, data, '1M', '--volume', 'home:1G:file');
    const port = Number(/port=(\d+)/.exec(server.mount!)![1]);
    const client = new NfsClient(await connectRpc({ host: '127.0.0.1', port }, { sys: root, timeoutMs: 60_000 }));
    t.teardown(() => client.close());
    const { handle: directory } = await client.mount('/home');
    const remove = async (name: string): Promise<number> =>
      (await client.call(procedures.remove, { directory, name: Buffer.from(name) })).status;
    const create = async (at: number): Promise<number> => {
      const how = { mode: 'guarded', attributes: nothingSet } as const;
      const args = { directory, name: Buffer.from(`${'x'.repeat(200)}${at}`), how };
      return (await client.call(procedures.create, args)).status;
    };
    await makeFile(client, directory, 'large');
    await makeFile(client, directory, 'other');
    t.is(await write(client, directory, 'large', 1024 * MiB), status.noSpace);
    let made = 0;
    for (let refused = 0; refused < 100;) {
      const found = await create(made + refused);
      t.true(found === status.ok || found === status.noSpace);
      if (found === status.ok) made += 1;
      else refused += 1;
    }
    t.log(`${made} names went in beside them`);
    t.is((await statusOf(data)).pool.state, 'ok');
    t.is(await remove('large'), status.ok);
    t.is(await write(client, directory, 'other', 16 * MiB), status.ok);
    t.is(await create(1_000_000), status.ok);
    t.is((await statusOf(data)).pool.state, 'ok');
  },
);
