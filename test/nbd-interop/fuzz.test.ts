import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { memoryDevice } from '@ashlar/block';
import { createNbdServer, openNbd } from '@ashlar/nbd';
import test from 'ava';
import { fuzz, play } from './fuzz.ts';
import { recordings } from './recordings.ts';

const long = process.env['ASHLAR_LONG'] === '1';
const cases = long ? 100_000 : 3000;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

async function connections(server: Server): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
  );
}

test(`${cases} sessions of nonsense end, take nothing with them, and leave other clients alone`, async (t) => {
  t.timeout(long ? 50 * 60_000 : 120_000);
  const directory = await mkdtemp(join(tmpdir(), 'ashlar-fuzz-'));
  const path = join(directory, 'socket');
  const kept = memoryDevice(2 ** 20);
  await kept.write(0, new Uint8Array(4096).fill(0x5a), false);
  const exports = new Map([
    ['disk', { device: memoryDevice(8 * 2 ** 20) }],
    ['kept', { device: kept }],
  ]);
  const server = createNbdServer({ exports });
  await once(server.listen(path), 'listening');
  const other = await openNbd(`nbd+unix:///kept?socket=${path}`, { reconnectMs: 0 });
  try {
    await fuzz(path, other, cases / 10);
    collect();
    const before = process.memoryUsage();
    await fuzz(path, other, cases - cases / 10);
    collect();
    const after = process.memoryUsage();
    // The last of them are closed a turn or two after their clients saw it.
    for (let turns = 0; turns < 1000 && (await connections(server)) > 1; turns += 1) await new Promise(setImmediate);
    t.is(await connections(server), 1, 'nobody but the other client is connected');
    const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
    t.true(grown < 96 * 2 ** 20, `memory grew by ${Math.round(grown / 2 ** 20)} MiB`);
  } finally {
    await other.close();
    server.close();
    await rm(directory, { recursive: true });
  }
});

test('the recordings that are mutated are sessions that work', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'ashlar-fuzz-'));
  const path = join(directory, 'socket');
  const device = memoryDevice(8 * 2 ** 20);
  const server = createNbdServer({ exports: new Map([['disk', { device }]]) });
  await once(server.listen(path), 'listening');
  const found = new Uint8Array(3000);
  for (const [index, pieces] of recordings.entries()) {
    await device.zero(0, 2 ** 20, 'may-trim', false);
    await play(path, Buffer.concat(pieces), 1);
    await device.read(100, found);
    const writes = index !== 3 && index !== 4;
    t.is(found[0], writes ? 7 : 0, `recording ${index}`);
  }
  server.close();
  await rm(directory, { recursive: true });
});
