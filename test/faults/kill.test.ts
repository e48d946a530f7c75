import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { openNbd } from '@ashlar/nbd';
import { SeededRandom } from '@ashlar/testing';
import test from 'ava';
import { directory, long, serve } from '../clients/served.ts';
import { Ledger } from './ledger.ts';

const rounds = long ? 50 : 3;
const lanes = 24;
const size = 64;

test(`nothing acknowledged is missing after kill -9 in the middle of writes, ${rounds} times`, async (t) => {
  const data = join(directory(t), 'data');
  const random = new SeededRandom(Date.now());
  const ledger = new Ledger(size * 2 ** 20, random);
  for (let round = 0; round < rounds; round += 1) {
    const server = await serve(t, data, `${size}M`);
    const device = await openNbd(server.uri, { reconnectMs: 0, connections: 1 + random.below(4) });
    t.deepEqual(await ledger.check(device), [], `after round ${round}`);
    const before = ledger.acknowledged;
    const working = Array.from({ length: lanes }, () => ledger.change(device));
    const enough = before + random.between(50, 2000);
    while (ledger.acknowledged < enough) await delay(random.below(20));
    await server.kill();
    await Promise.all(working);
    t.true(ledger.acknowledged > before, 'something was acknowledged before the kill');
    await device.close();
  }
  const server = await serve(t, data, `${size}M`);
  const device = await openNbd(server.uri, { reconnectMs: 0 });
  t.deepEqual(await ledger.check(device), []);
  await device.close();
  t.log(`${ledger.acknowledged} operations were acknowledged`);
});

test('the checker sees a write that is lost, old or mixed', async (t) => {
  const data = join(directory(t), 'data');
  const server = await serve(t, data, '4M');
  const device = await openNbd(server.uri, { reconnectMs: 0 });
  const ledger = new Ledger(4 * 2 ** 20, new SeededRandom(1));
  const working = ledger.change(device);
  while (ledger.acknowledged < 300) await delay(5);
  const other = await openNbd(server.uri, { reconnectMs: 0 });
  await device.close();
  await working;
  t.deepEqual(await ledger.check(other), []);
  await other.zero(0, 4 * 2 ** 20, 'may-trim', false);
  t.true((await ledger.check(other)).length > 0, 'zeros where something was written');
  await other.write(8192, new Uint8Array(512).fill(7), false);
  t.regex((await ledger.check(other)).join('\n'), /block 2 holds nothing that was ever written there/);
  await other.close();
});
