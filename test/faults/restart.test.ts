import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { openNbd } from '@ashlar/nbd';
import { SeededRandom } from '@ashlar/testing';
import test from 'ava';
import { directory, long, serve } from '../clients/served.ts';
import { statusOf } from './ashlar.ts';
import { Ledger } from './ledger.ts';

const MiB = 2 ** 20;

/** Waits until so many more operations were answered. */
async function answered(ledger: Ledger, more: number): Promise<void> {
  const enough = ledger.acknowledged + more;
  while (ledger.acknowledged < enough) await delay(5);
}

test('a server that is asked to stop answers what it has received, and everything is there afterwards', async (t) => {
  const data = join(directory(t), 'data');
  const ledger = new Ledger(32 * MiB, new SeededRandom(Date.now()));
  for (let round = 0; round < (long ? 20 : 3); round += 1) {
    const server = await serve(t, data, '32M');
    const device = await openNbd(server.uri, { reconnectMs: 0 });
    t.deepEqual(await ledger.check(device), []);
    const working = Array.from({ length: 8 }, () => ledger.change(device));
    await answered(ledger, 200);
    t.is(await server.stop(), 0, 'a stop that was asked for is no failure');
    await Promise.all(working);
    await device.close();
  }
  const server = await serve(t, data, '32M');
  const device = await openNbd(server.uri, { reconnectMs: 0 });
  t.deepEqual(await ledger.check(device), []);
  await device.close();
});

test('a reload under load drops no connection', async (t) => {
  const data = join(directory(t), 'data');
  const ledger = new Ledger(32 * MiB, new SeededRandom(Date.now()));
  const server = await serve(t, data, '32M');
  const device = await openNbd(server.uri, { reconnectMs: 0, connections: 2 });
  const working = Array.from({ length: 8 }, () => ledger.change(device));
  for (let round = 0; round < 3; round += 1) {
    await answered(ledger, 200);
    server.reload();
  }
  // A connection that were dropped would have ended its lanes: this client does not connect again.
  await answered(ledger, 500);
  t.is((await statusOf(data)).connections, 2);
  const other = await openNbd(server.uri, { reconnectMs: 0 });
  await device.close();
  await Promise.all(working);
  t.deepEqual(await ledger.check(other), []);
  await other.close();
});

test('a server that was killed with many chunks in use starts again with all of them', async (t) => {
  const data = join(directory(t), 'data');
  const chunks = long ? 16_384 : 1024;
  const chunkBytes = 256 * 1024;
  const size = `${(chunks * chunkBytes) / MiB}M`;
  const first = await serve(t, data, size);
  const device = await openNbd(first.uri, { reconnectMs: 0 });
  for (let chunk = 0; chunk < chunks; chunk += 1) await device.write(chunk * chunkBytes, block(chunk), false);
  await device.flush();
  await device.close();
  await first.kill();
  const start = performance.now();
  const second = await serve(t, data, size);
  t.log(`${chunks} chunks: ${Math.round(performance.now() - start)} ms until it served again`);
  const reader = await openNbd(second.uri, { reconnectMs: 0 });
  const into = new Uint8Array(4096);
  const wrong: number[] = [];
  for (let chunk = 0; chunk < chunks; chunk += 1) {
    await reader.read(chunk * chunkBytes, into);
    if (Buffer.compare(into, block(chunk)) !== 0) wrong.push(chunk);
  }
  t.deepEqual(wrong, []);
  await reader.close();
});

function block(number: number): Uint8Array {
  return new Uint8Array(new Uint32Array(1024).fill(number + 1).buffer);
}

test('a client that connects again goes on over a kill -9 without an error, and nothing is lost', async (t) => {
  const data = join(directory(t), 'data');
  const ledger = new Ledger(32 * MiB, new SeededRandom(Date.now()));
  let server = await serve(t, data, '32M');
  const device = await openNbd(`nbd+unix:///demo?socket=${join(data, 'nbd.sock')}`, { reconnectMs: 60_000 });
  const working = Array.from({ length: 8 }, () => ledger.change(device));
  for (let round = 0; round < (long ? 10 : 2); round += 1) {
    await answered(ledger, 300);
    await server.kill();
    server = await serve(t, data, '32M');
    await answered(ledger, 100);
  }
  const other = await openNbd(server.uri, { reconnectMs: 0 });
  await device.close();
  await Promise.all(working);
  t.deepEqual(await ledger.check(other), []);
  await other.close();
});
