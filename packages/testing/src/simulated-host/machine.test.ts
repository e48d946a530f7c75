import test from 'ava';
import { AshlarError } from '@ashlar/core';
import { hostContract } from '../host-contract.ts';
import { SimulatedMachine } from './machine.ts';

hostContract(test, 'simulated host', () => {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/pool');
  let running = true;
  const run = async (): Promise<void> => {
    while (running) await machine.step();
  };
  void run();
  return {
    host: machine.host,
    directory: '/pool',
    dispose: () => {
      running = false;
    },
  };
});

const page = (byte: number): Uint8Array => new Uint8Array(4096).fill(byte);

/** What a file of one written and one synced page holds after a loss of power, for many seeds. */
async function afterLoss(seed: number): Promise<string> {
  const machine = new SimulatedMachine(seed);
  machine.makeDurableDirectory('/d');
  const file = machine.host.open('/d/f', { create: true });
  await file.write(0, page(1));
  await machine.finish(file.sync());
  await machine.finish(machine.host.syncDirectory('/d'));
  await file.write(0, page(2));
  machine.crash(true);
  const found = new Uint8Array(4096);
  machine.host.open('/d/f', {}).readSync(0, found);
  return [...new Set(found)].toSorted().join('');
}

test('what was synced survives a loss of power; what was not is old, new or torn', async (t) => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 60; seed += 1) seen.add(await afterLoss(seed));
  t.deepEqual([...seen].toSorted(), ['1', '12', '2']);
});

test('a killed process leaves the page cache, its locks and its calls are gone', async (t) => {
  const machine = new SimulatedMachine(1);
  const before = machine.host;
  const file = before.open('/f', { create: true });
  await file.write(0, page(1));
  t.true(file.tryLock(true));
  machine.crash(false);
  await file.write(0, page(9));
  const again = machine.host.open('/f', {});
  const found = new Uint8Array(4096);
  again.readSync(0, found);
  t.deepEqual(found, page(1));
  t.true(again.tryLock(true));
  t.is(machine.host.bootId(), before.bootId());
});

test('a name that was not synced may be gone with the power', (t) => {
  const there = new Set<boolean>();
  for (let seed = 0; seed < 20; seed += 1) {
    const machine = new SimulatedMachine(seed);
    machine.host.open('/f', { create: true });
    machine.crash(true);
    there.add(machine.host.stat('/f') !== undefined);
  }
  t.is(there.size, 2);
});

test('after a failed sync the next one succeeds, and what the first one lost is not on the disk', async (t) => {
  let lost = 0;
  for (let seed = 0; seed < 200; seed += 1) {
    const machine = new SimulatedMachine(seed);
    machine.makeDurableDirectory('/d');
    const file = machine.host.open('/d/f', { create: true });
    await machine.finish(machine.host.syncDirectory('/d'));
    await file.write(0, page(1));
    machine.setFailing('writes');
    const error = await machine.finish(file.sync()).catch((reason: unknown) => reason);
    machine.setFailing('nothing');
    if (!(error instanceof AshlarError)) continue;
    t.true(machine.hasFailed);
    await machine.finish(file.sync());
    machine.crash(true);
    const found = new Uint8Array(4096);
    machine.host.open('/d/f', {}).readSync(0, found);
    if (found[0] === 0) lost += 1;
  }
  t.true(lost > 0);
});

test('a full disk refuses new blocks and takes overwrites', async (t) => {
  const machine = new SimulatedMachine(1);
  const file = machine.host.open('/f', { create: true });
  await file.write(0, page(1));
  machine.setRoom(4096);
  await file.write(4096, page(2));
  t.is(machine.host.freeBytes('/'), 0);
  t.throws(() => void file.write(8192, page(3)), { instanceOf: AshlarError, message: /no room/ });
  await file.write(0, page(4));
  await file.punch(4096, 4096);
  await file.write(8192, page(3));
  t.pass();
});

test('a machine without direct I/O refuses to open a file for it, and makes none', (t) => {
  const { host } = new SimulatedMachine(1, { isDirect: false });
  const error = t.throws(() => host.open('/f', { create: true, direct: true }), { instanceOf: AshlarError });
  t.is(error?.kind, 'unsupported');
  t.is(host.stat('/f'), undefined);
});

test('a bit that flips is one bit, on the disk as well', async (t) => {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/d');
  const file = machine.host.open('/d/f', { create: true });
  await file.write(0, page(1));
  await machine.finish(file.sync());
  await machine.finish(machine.host.syncDirectory('/d'));
  machine.flipBit('/d/f', 100);
  machine.crash(true);
  const found = new Uint8Array(4096);
  machine.host.open('/d/f', {}).readSync(0, found);
  const wrong = [...found.entries()].filter(([, byte]) => byte !== 1);
  t.deepEqual(
    wrong.map(([place, byte]) => [place, Math.log2(byte ^ 1) % 1]),
    [[100, 0]],
  );
});
