import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { openNbd } from '@ashlar/nbd';
import { SeededRandom } from '@ashlar/testing';
import test from 'ava';
import { directory, long, serve } from '../clients/served.ts';
import { Ledger } from './ledger.ts';

const MiB = 2 ** 20;

test('a server that is asked to stop answers what it has received, and everything is there afterwards', async (t) => {
  const data = join(directory(t), 'data');
  const ledger = new Ledger(32 * MiB, new SeededRandom(Date.now()));
  for (let round = 0; round < (long ? 20 : 3); round += 1) {
    const server = await serve(t, data, '32M');
    const device = await openNbd(server.uri, { reconnectMs: 0 });
    t.deepEqual(await ledger.check(device), []);
    const working = Array.from({ length: 8 }, () => ledger.change(device));
    await delay(300);
    await server.stop();
    await Promise.all(working);
    await device.close();
  }
  const server = await serve(t, data, '32M');
  const device = await openNbd(server.uri, { reconnectMs: 0 });
  t.deepEqual(await ledger.check(device), []);
  await device.close();
});

test('a client that connects again goes on over a kill -9 without an error, and nothing is lost', async (t) => {
  const data = join(directory(t), 'data');
  const ledger = new Ledger(32 * MiB, new SeededRandom(Date.now()));
  let server = await serve(t, data, '32M');
  const device = await openNbd(`nbd+unix:///demo?socket=${join(data, 'nbd.sock')}`, { reconnectMs: 60_000 });
  const working = Array.from({ length: 8 }, () => ledger.change(device));
  for (let round = 0; round < (long ? 10 : 2); round += 1) {
    await delay(500);
    await server.kill();
    const before = ledger.acknowledged;
    server = await serve(t, data, '32M');
    while (ledger.acknowledged < before + 100) await delay(20);
  }
  const other = await openNbd(server.uri, { reconnectMs: 0 });
  await device.close();
  await Promise.all(working);
  t.deepEqual(await ledger.check(other), []);
  await other.close();
});
