import test from 'ava';
import { GiB, MiB } from '@ashlar/core';
import { FakePool, fails } from './fake-pool.ts';
import type { Catalogue } from './index.ts';

const nameOf = ({ snapshot: { name } }: { snapshot: { name: string } }): string => name;

function namesOf(catalogue: Catalogue, volume: string): string[] {
  return catalogue.snapshots.of(catalogue.volume(volume)).map(({ name }) => name);
}

async function withSnapshots(pool: FakePool, ...names: string[]): Promise<Catalogue> {
  const catalogue = await pool.open();
  await catalogue.createVolume({ name: 'demo', sizeBytes: GiB });
  for (const name of names) await catalogue.snapshots.take([{ volume: 'demo', name }]);
  return catalogue;
}

test('snapshots are there after a restart, in the order in which they were taken, with the size of then', async (t) => {
  const pool = new FakePool();
  const catalogue = await withSnapshots(pool, 'b', 'a');
  await catalogue.resizeVolume('demo', 2 * GiB);
  await catalogue.snapshots.take([{ volume: 'demo', name: 'c' }]);
  const again = await pool.open();
  t.deepEqual(namesOf(again, 'demo'), ['b', 'a', 'c']);
  t.like(again.snapshots.find('demo@a').snapshot, { name: 'a', sizeBytes: GiB, created: '2026-01-02T03:04:05.000Z' });
  t.is(again.snapshots.find('demo@c').snapshot.sizeBytes, 2 * GiB);
});

test('a snapshot of several volumes is of all of them or of none', async (t) => {
  const pool = new FakePool();
  const catalogue = await withSnapshots(pool, 'first');
  await catalogue.createVolume({ name: 'log', sizeBytes: MiB });
  const both = (name: string) => [
    { volume: 'log', name },
    { volume: 'demo', name },
  ];
  await fails(t, 'exists', /'demo' has a snapshot 'first' already/, () => catalogue.snapshots.take(both('first')));
  t.deepEqual(namesOf(catalogue, 'log'), []);
  t.deepEqual((await catalogue.snapshots.take(both('second'))).map(nameOf), ['second', 'second']);
  await fails(t, 'invalid', /named twice/, () =>
    catalogue.snapshots.take([
      { volume: 'log', name: 'x' },
      { volume: 'log', name: 'y' },
    ]),
  );
});

test('names of snapshots that are wrong, or of nothing, are told with what to do', async (t) => {
  const catalogue = await withSnapshots(new FakePool(), 'first');
  const take = (name: string) => () => catalogue.snapshots.take([{ volume: 'demo', name }]);
  await fails(t, 'invalid', /letters, digits/, take('a@b'));
  await fails(t, 'invalid', /VOLUME@SNAPSHOT/, async () => catalogue.snapshots.find('demo'));
  await fails(t, 'not-found', /volume snapshot ls demo/, async () => catalogue.snapshots.find('demo@no'));
  await fails(t, 'not-found', /no volume 'no'/, async () => catalogue.snapshots.find('no@first'));
});

test('a snapshot that cannot be put on record is taken back', async (t) => {
  const pool = new FakePool();
  const catalogue = await withSnapshots(pool);
  pool.failing = 'commit';
  await fails(t, 'no-space', /full/, () => catalogue.snapshots.take([{ volume: 'demo', name: 'a' }]));
  t.deepEqual(pool.listSnapshots(), []);
  t.deepEqual(namesOf(catalogue, 'demo'), []);
});

test('a snapshot that no record names is removed by the next start', async (t) => {
  const pool = new FakePool();
  const catalogue = await withSnapshots(pool, 'a');
  const { storeId } = catalogue.volume('demo');
  pool.snapshot([{ storeId }]);
  await pool.open();
  t.deepEqual(pool.listSnapshots(), [{ storeId, snapshotId: catalogue.snapshots.find('demo@a').snapshot.snapshotId }]);
});

test('a snapshot is removed unless clients are attached to it or it has clones', async (t) => {
  const pool = new FakePool();
  const catalogue = await withSnapshots(pool, 'a', 'b');
  const { volume, snapshot } = catalogue.snapshots.find('demo@a');
  await catalogue.cloneVolume('demo@b', { name: 'copy' });
  await fails(t, 'busy', /demo@b' has clones \(copy\)/, () => catalogue.snapshots.remove('demo@b', true));
  pool.attachedSnapshots.add(`${volume.storeId}@${snapshot.snapshotId}`);
  await fails(t, 'busy', /attached/, () => catalogue.snapshots.remove('demo@a', false));
  await catalogue.snapshots.remove('demo@a', true);
  await catalogue.removeVolume('copy');
  await catalogue.snapshots.remove('demo@b', false);
  t.deepEqual(pool.listSnapshots(), []);
  t.deepEqual(namesOf(await pool.open(), 'demo'), []);
});

test('a clone is a volume of the size of its snapshot, offered under its own name', async (t) => {
  const pool = new FakePool();
  const catalogue = await withSnapshots(pool, 'a');
  await catalogue.resizeVolume('demo', 2 * GiB);
  const clone = await catalogue.cloneVolume('demo@a', { name: 'copy' });
  const again = await pool.open();
  t.deepEqual(again.volume('copy'), clone);
  t.is(clone.sizeBytes, GiB);
  t.like(again.exports.get('copy'), { readOnly: false });
  const { volume, snapshot } = again.snapshots.find('demo@a');
  t.deepEqual(
    again.snapshots.clonesOf(volume, snapshot).map(({ name }) => name),
    ['copy'],
  );
  await fails(t, 'exists', /volume 'copy' already/, () => catalogue.cloneVolume('demo@a', { name: 'copy' }));
});

test('a clone that cannot be put on record leaves nothing behind', async (t) => {
  const pool = new FakePool();
  const catalogue = await withSnapshots(pool, 'a');
  pool.failing = 'commit';
  await fails(t, 'no-space', /full/, () => catalogue.cloneVolume('demo@a', { name: 'copy' }));
  t.deepEqual(pool.list(), [catalogue.volume('demo').storeId]);
});

test('a volume goes back to a snapshot, with its size, when no newer one is in the way', async (t) => {
  const pool = new FakePool();
  const catalogue = await withSnapshots(pool, 'a');
  await catalogue.resizeVolume('demo', 2 * GiB);
  await catalogue.snapshots.take([{ volume: 'demo', name: 'b' }]);
  await fails(t, 'busy', /newer snapshots \(b\): say --remove-newer/, () => catalogue.rollBack('demo@a'));
  t.is((await catalogue.rollBack('demo@a', { removeNewer: true })).sizeBytes, GiB);
  const again = await pool.open();
  t.is(again.volume('demo').sizeBytes, GiB);
  t.deepEqual(namesOf(again, 'demo'), ['a']);
});

test('a volume that clients are attached to does not go back to a snapshot', async (t) => {
  const pool = new FakePool();
  const catalogue = await withSnapshots(pool, 'a');
  pool.attached.add(catalogue.volume('demo').storeId);
  await fails(t, 'busy', /attached/, () => catalogue.rollBack('demo@a'));
  await catalogue.rollBack('demo@a', { force: true });
  t.truthy(catalogue.volumeOf(catalogue.exports.get('demo')), 'clients may attach again');
});

test('a rollback that a stop interrupted is ended by the next start', async (t) => {
  const pool = new FakePool();
  const catalogue = await withSnapshots(pool, 'a');
  await catalogue.resizeVolume('demo', 2 * GiB);
  const records = new Map(pool.records);
  pool.failing = 'rollBack';
  await fails(t, 'io', /disk failed/, () => catalogue.rollBack('demo@a'));
  t.is(catalogue.volume('demo').sizeBytes, 2 * GiB, 'what fails leaves it as it was');
  pool.failing = undefined;
  const volume = catalogue.volume('demo');
  const { snapshotId, sizeBytes } = catalogue.snapshots.find('demo@a').snapshot;
  const intent = { schema: 1, ...volume, rollingBackTo: { snapshotId, sizeBytes } };
  for (const [key, value] of records) pool.records.set(key, value);
  pool.records.set(`volume/${volume.uuid}`, Buffer.from(JSON.stringify(intent)));
  const again = await pool.open();
  t.is(again.volume('demo').sizeBytes, GiB);
  t.is(pool.sizes.get(volume.storeId), GiB);
  t.false('rollingBackTo' in again.volume('demo'));
});

test('a volume with snapshots is removed when they are to go with it, and not while one has clones', async (t) => {
  const pool = new FakePool();
  const catalogue = await withSnapshots(pool, 'a');
  await fails(t, 'busy', /has 1 snapshots: say --snapshots/, () => catalogue.removeVolume('demo'));
  await catalogue.cloneVolume('demo@a', { name: 'copy' });
  await fails(t, 'busy', /has clones \(copy\)/, () => catalogue.removeVolume('demo', false, true));
  await catalogue.removeVolume('copy');
  await catalogue.removeVolume('demo', false, true);
  t.deepEqual((await pool.open()).volumes(), []);
});
