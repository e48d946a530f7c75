import { GiB, MiB } from '@ashlar/core';
import test from 'ava';
import { fails, FakePool } from './fake-pool.ts';
import type { Catalogue } from './index.ts';

async function withReserved(pool: FakePool): Promise<Catalogue> {
  const catalogue = await pool.open();
  await catalogue.createVolume({ name: 'demo', sizeBytes: GiB, reservedBytes: 100 * MiB });
  return catalogue;
}

const storeOf = (catalogue: Catalogue, name = 'demo'): number => catalogue.volume(name).storeId;

test('what is reserved for a volume is reserved again after a restart, whether it fits or not', async (t) => {
  const pool = new FakePool();
  const first = await withReserved(pool);
  t.is(pool.reserved.get(storeOf(first)), 100 * MiB);
  await first.reservations.set('demo', 200 * MiB - 1);
  t.is(first.volume('demo').reservedBytes, 200 * MiB);
  pool.reserved.clear();
  pool.mostReserved = 0;
  const again = await pool.open();
  t.is(again.volume('demo').reservedBytes, 200 * MiB);
  t.is(pool.reserved.get(storeOf(again)), 200 * MiB);
});

test('a reservation that does not fit changes nothing, and a volume that needs it is not made', async (t) => {
  const pool = new FakePool();
  pool.mostReserved = 150 * MiB;
  const catalogue = await withReserved(pool);
  await fails(t, 'no-space', /fit/, () => catalogue.reservations.set('demo', 151 * MiB));
  t.is(catalogue.volume('demo').reservedBytes, 100 * MiB);
  await fails(t, 'no-space', /fit/, () =>
    catalogue.createVolume({ name: 'more', sizeBytes: GiB, reservedBytes: 51 * MiB }),
  );
  t.is(catalogue.volumes().length, 1);
  t.is(pool.sizes.size, 1);
});

test('no more is reserved than a volume can have, also when it is made smaller', async (t) => {
  const pool = new FakePool();
  const catalogue = await withReserved(pool);
  await fails(t, 'invalid', /2 GiB cannot be reserved/, () => catalogue.reservations.set('demo', 2 * GiB));
  await fails(t, 'invalid', /cannot be reserved/, () => catalogue.reservations.set('demo', -4096));
  await catalogue.resizeVolume('demo', 10 * MiB + 512, true);
  t.is(catalogue.volume('demo').reservedBytes, 10 * MiB + 4096);
  t.is(pool.reserved.get(storeOf(catalogue)), 10 * MiB + 4096);
  t.is((await pool.open()).volume('demo').reservedBytes, 10 * MiB + 4096);
});

test('a reservation that cannot be put on record is taken back', async (t) => {
  const pool = new FakePool();
  const catalogue = await withReserved(pool);
  pool.failing = 'commit';
  await fails(t, 'no-space', /full/, () => catalogue.reservations.set('demo', 200 * MiB));
  t.is(pool.reserved.get(storeOf(catalogue)), 100 * MiB);
});

test('a clone has no reservation of its own, and nothing is reserved any more where 0 is said', async (t) => {
  const pool = new FakePool();
  const catalogue = await withReserved(pool);
  await catalogue.snapshots.take([{ volume: 'demo', name: 'a' }]);
  await catalogue.cloneVolume('demo@a', { name: 'copy' });
  t.is(catalogue.volume('copy').reservedBytes, undefined);
  t.is(pool.reserved.get(storeOf(catalogue, 'copy')), undefined);
  await catalogue.reservations.set('demo', 0);
  t.is(catalogue.volume('demo').reservedBytes, undefined);
  t.is(pool.reserved.get(storeOf(catalogue)), 0);
});
