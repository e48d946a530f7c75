import test from 'ava';
import { FakePool, fails } from './fake-pool.ts';
import type { Catalogue } from './index.ts';

/** A catalogue with a clone, `copy`, of `demo@one`. */
async function withClone(): Promise<{ pool: FakePool; catalogue: Catalogue; uuid: string }> {
  const pool = new FakePool();
  const catalogue = await pool.open();
  await catalogue.createVolume({ name: 'demo', sizeBytes: 4096 });
  await catalogue.snapshots.take([{ volume: 'demo', name: 'one' }]);
  const { uuid } = await catalogue.cloneVolume('demo@one', { name: 'copy' });
  return { pool, catalogue, uuid };
}

test('a clone that is flat has no origin, and that can be removed', async (t) => {
  const { pool, catalogue, uuid } = await withClone();
  pool.flattenSteps = 2;
  await catalogue.flattening.begin('copy');
  t.false((await catalogue.flattening.step(uuid))!.isDone);
  await fails(t, 'busy', /has clones \(copy\): remove or flatten/, () => catalogue.snapshots.remove('demo@one', false));
  t.true((await catalogue.flattening.step(uuid))!.isDone);
  await catalogue.removeVolume('demo', false, true);
  const again = await pool.open();
  t.deepEqual(
    again.volumes().map(({ name, origin, flattening }) => ({ name, origin, flattening })),
    [{ name: 'copy', origin: undefined, flattening: undefined }],
  );
});

test('the next start knows that a clone is to be flattened; one that was given up is not', async (t) => {
  const { pool, catalogue, uuid } = await withClone();
  t.is(await catalogue.flattening.step(uuid), undefined);
  await catalogue.flattening.begin('copy');
  const again = await pool.open();
  t.true(again.volume('copy').flattening);
  await again.flattening.end(uuid);
  t.is((await pool.open()).volume('copy').flattening, undefined);
  t.is(await again.flattening.step(uuid), undefined);
  t.truthy(again.volume('copy').origin);
});

test('a volume that is no clone or has snapshots is not flattened, and none is taken meanwhile', async (t) => {
  const { catalogue } = await withClone();
  await fails(t, 'invalid', /'demo' is no clone/, () => catalogue.flattening.begin('demo'));
  await catalogue.snapshots.take([{ volume: 'copy', name: 'own' }]);
  await fails(t, 'busy', /has snapshots \(copy@own\)/, () => catalogue.flattening.begin('copy'));
  await catalogue.snapshots.remove('copy@own', false);
  await catalogue.flattening.begin('copy');
  await fails(t, 'busy', /is being flattened/, () => catalogue.snapshots.take([{ volume: 'copy', name: 'own' }]));
});
