import test from 'ava';
import { GiB, MiB } from '@ashlar/core';
import { FakePool, fails } from './fake-pool.ts';

test('a volume that was made is there after a restart, and its export with it', async (t) => {
  const pool = new FakePool();
  const made = await (await pool.open()).createVolume({ name: 'demo', sizeBytes: 10 * GiB });
  const again = await pool.open();
  t.deepEqual(again.volumes(), [made]);
  t.like(again.exports.get('demo'), { name: 'demo', readOnly: false, allow: [], over: ['nbd'] });
  t.is(again.volumeOf(again.exports.get('demo'))?.uuid, made.uuid);
  t.like(made, { type: 'block', preallocation: 'off', created: '2026-01-02T03:04:05.000Z', sizeBytes: 10 * GiB });
});

test('volumes and exports are listed by name', async (t) => {
  const catalogue = await new FakePool().open();
  for (const name of ['b', 'c', 'a']) await catalogue.createVolume({ name, sizeBytes: MiB });
  t.deepEqual(
    catalogue.volumes().map(({ name }) => name),
    ['a', 'b', 'c'],
  );
  t.deepEqual(
    catalogue.exports.list().map(({ name }) => name),
    ['a', 'b', 'c'],
  );
});

test('names are refused with the rule, sizes with the unit', async (t) => {
  const catalogue = await new FakePool().open();
  for (const name of ['', '-a', 'a/b', 'a@b', 'a b', 'ä']) {
    await fails(t, 'invalid', /letters, digits/, () => catalogue.createVolume({ name, sizeBytes: MiB }));
  }
  await fails(t, 'invalid', /at most 128/, () => catalogue.createVolume({ name: 'a'.repeat(129), sizeBytes: MiB }));
  for (const sizeBytes of [0, -512, 1000, Number.NaN, 2 ** 60]) {
    await fails(t, 'invalid', /multiple of 512/, () => catalogue.createVolume({ name: 'a', sizeBytes }));
  }
});

test('a second volume of one name is refused, also while the first is being made', async (t) => {
  const catalogue = await new FakePool().open();
  const first = catalogue.createVolume({ name: 'demo', sizeBytes: MiB });
  await fails(t, 'exists', /ashlar volume rm demo/, () => catalogue.createVolume({ name: 'demo', sizeBytes: MiB }));
  await first;
  t.is(catalogue.volumes().length, 1);
});

test('a volume whose record could not be written leaves no store behind', async (t) => {
  const pool = new FakePool();
  const catalogue = await pool.open();
  pool.failing = 'commit';
  await fails(t, 'no-space', /full/, () => catalogue.createVolume({ name: 'demo', sizeBytes: MiB }));
  t.deepEqual(pool.list(), []);
  pool.failing = undefined;
  await catalogue.createVolume({ name: 'demo', sizeBytes: MiB });
  t.is(catalogue.volumes().length, 1);
});

test('a store made for a volume that was never recorded is removed at the next start', async (t) => {
  const pool = new FakePool();
  const kept = await (await pool.open()).createVolume({ name: 'kept', sizeBytes: MiB });
  pool.create(MiB, 'off', 'off');
  await pool.open();
  t.deepEqual(pool.list(), [kept.storeId]);
});

test('nothing is removed where the catalogue lost records', async (t) => {
  const pool = new FakePool();
  const volume = await (await pool.open()).createVolume({ name: 'demo', sizeBytes: MiB });
  pool.records.delete(`volume/${volume.uuid}`);
  await fails(t, 'corrupt', /should hold 1 volumes/, () => pool.open());
  pool.records.clear();
  await fails(t, 'corrupt', /catalogue is empty/, () => pool.open());
  t.deepEqual(pool.list(), [volume.storeId]);
});

test('a record of a later version keeps the catalogue from opening', async (t) => {
  const pool = new FakePool();
  const volume = await (await pool.open()).createVolume({ name: 'demo', sizeBytes: MiB });
  pool.records.set(`volume/${volume.uuid}`, Buffer.from('{"schema":2}'));
  await fails(t, 'unsupported', /version 2/, () => pool.open());
  pool.records.set(`volume/${volume.uuid}`, Buffer.from('{'));
  await fails(t, 'corrupt', /cannot be read/, () => pool.open());
});

test('a volume goes with its exports and its contents', async (t) => {
  const pool = new FakePool();
  const catalogue = await pool.open();
  await catalogue.createVolume({ name: 'demo', sizeBytes: MiB });
  await catalogue.exports.add({ name: 'reader', source: 'demo', readOnly: true });
  await catalogue.removeVolume('demo');
  t.deepEqual(pool.list(), []);
  t.deepEqual((await pool.open()).exports.list(), []);
});

test('a volume that clients are attached to is removed only by force', async (t) => {
  const pool = new FakePool();
  const catalogue = await pool.open();
  const { storeId } = await catalogue.createVolume({ name: 'demo', sizeBytes: MiB });
  pool.attached.add(storeId);
  await fails(t, 'busy', /attached/, () => catalogue.removeVolume('demo'));
  t.truthy(catalogue.volumeOf(catalogue.exports.get('demo')));
  await catalogue.removeVolume('demo', true);
  t.deepEqual(catalogue.volumes(), []);
});

test('a volume grows, and shrinks only when that is said', async (t) => {
  const pool = new FakePool();
  const catalogue = await pool.open();
  const { storeId } = await catalogue.createVolume({ name: 'demo', sizeBytes: 2 * MiB });
  t.is((await catalogue.resizeVolume('demo', 4 * MiB)).sizeBytes, 4 * MiB);
  await fails(t, 'invalid', /--shrink/, () => catalogue.resizeVolume('demo', MiB));
  await catalogue.resizeVolume('demo', MiB, true);
  t.is(pool.sizes.get(storeId), MiB);
  t.is((await pool.open()).volume('demo').sizeBytes, MiB);
});

test('a resize that the store refuses leaves the old size on record', async (t) => {
  const pool = new FakePool();
  const catalogue = await pool.open();
  await catalogue.createVolume({ name: 'demo', sizeBytes: MiB });
  pool.failing = 'resize';
  await fails(t, 'no-space', /full/, () => catalogue.resizeVolume('demo', 2 * MiB));
  pool.failing = undefined;
  t.is((await pool.open()).volume('demo').sizeBytes, MiB);
});

test('a resize that a stop cut short is carried through at the next start', async (t) => {
  const pool = new FakePool();
  const volume = await (await pool.open()).createVolume({ name: 'demo', sizeBytes: MiB });
  const cut = { schema: 1, ...volume, resizingTo: 2 * MiB };
  pool.records.set(`volume/${volume.uuid}`, Buffer.from(JSON.stringify(cut)));
  t.is((await pool.open()).volume('demo').sizeBytes, 2 * MiB);
  t.is(pool.sizes.get(volume.storeId), 2 * MiB);
  t.deepEqual((await pool.open()).volumes(), [{ ...volume, sizeBytes: 2 * MiB }]);
});

test('a rename keeps the uuid and takes the export of that name along', async (t) => {
  const pool = new FakePool();
  const catalogue = await pool.open();
  const { uuid } = await catalogue.createVolume({ name: 'old', sizeBytes: MiB });
  await catalogue.exports.add({ name: 'other', source: 'old' });
  await catalogue.renameVolume('old', 'new');
  const again = await pool.open();
  t.is(again.volume('new').uuid, uuid);
  t.deepEqual(
    again.exports.list().map(({ name }) => name),
    ['new', 'other'],
  );
  await catalogue.createVolume({ name: 'old', sizeBytes: MiB });
  await fails(t, 'exists', /'new' already/, () => catalogue.renameVolume('old', 'new'));
});

test('limits are kept with the volume', async (t) => {
  const pool = new FakePool();
  const catalogue = await pool.open();
  await catalogue.createVolume({ name: 'demo', sizeBytes: MiB });
  await catalogue.setLimits('demo', { total: { operationsPerSecond: 100 } });
  t.deepEqual((await pool.open()).volume('demo').limits, { total: { operationsPerSecond: 100 } });
});

test('a new volume is compressed as it says, else as it is configured, and never where it is preallocated', async (t) => {
  const pool = new FakePool();
  const catalogue = await pool.open();
  const compressionOf = async (request: object): Promise<unknown> => {
    const { storeId, name } = await catalogue.createVolume({ name: 'demo', sizeBytes: MiB, ...request });
    const { compression = 'off' } = (await pool.open()).volume(name);
    t.is(pool.compressions.get(storeId), compression);
    await catalogue.removeVolume('demo');
    return compression;
  };
  t.is(await compressionOf({}), 'off');
  t.is(await compressionOf({ compression: 'zstd' }), 'zstd');
  pool.compression = 'zstd';
  t.is(await compressionOf({}), 'zstd');
  t.is(await compressionOf({ compression: 'off' }), 'off');
  t.is(await compressionOf({ preallocation: 'falloc' }), 'off');
  await fails(t, 'invalid', /preallocated/, () => compressionOf({ preallocation: 'falloc', compression: 'zstd' }));
  await catalogue.createVolume({ name: 'thick', sizeBytes: MiB, preallocation: 'full' });
  await fails(t, 'invalid', /preallocated/, () => catalogue.setCompression('thick', 'zstd'));
});

test('a change of compression is on record before the store is told, and carried through at the next start', async (t) => {
  const pool = new FakePool();
  const volume = await (await pool.open()).createVolume({ name: 'demo', sizeBytes: MiB });
  const cut = { schema: 1, ...volume, compressingTo: 'zstd' };
  pool.records.set(`volume/${volume.uuid}`, Buffer.from(JSON.stringify(cut)));
  const catalogue = await pool.open();
  t.is(pool.compressions.get(volume.storeId), 'zstd');
  t.deepEqual(catalogue.volumes(), [{ ...volume, compression: 'zstd' }]);
  pool.failing = 'compression';
  await fails(t, 'no-space', /full/, () => catalogue.setCompression('demo', 'off'));
  t.is((await pool.open()).volume('demo').compression, 'zstd');
});

test('an export names a volume or the URI of a file, and says so otherwise', async (t) => {
  const catalogue = await new FakePool().open();
  const item = await catalogue.exports.add({ name: 'raw', source: 'file:///srv/disk.raw', allow: ['10.0.0.0/8'] });
  t.deepEqual(item.source, { kind: 'uri', uri: 'file:///srv/disk.raw' });
  t.is(catalogue.volumeOf(item), undefined);
  await fails(t, 'not-found', /no volume 'nothing'/, () => catalogue.exports.add({ name: 'a', source: 'nothing' }));
  await fails(t, 'invalid', /cannot be exported/, () => catalogue.exports.add({ name: 'a', source: 'http://x/y' }));
  await fails(t, 'invalid', /address range/, () =>
    catalogue.exports.add({ name: 'a', source: 'file:///x', allow: ['10.0.0.0/33'] }),
  );
  await fails(t, 'exists', /'raw' already/, () => catalogue.exports.add({ name: 'raw', source: 'file:///x' }));
});

test('an export that is taken back leaves the volume', async (t) => {
  const pool = new FakePool();
  const catalogue = await pool.open();
  await catalogue.createVolume({ name: 'demo', sizeBytes: MiB });
  await catalogue.exports.remove('demo');
  await fails(t, 'not-found', /no export 'demo'/, () => catalogue.exports.remove('demo'));
  t.is((await pool.open()).volumes().length, 1);
});

test('changes run one after the other and are refused after the close', async (t) => {
  const catalogue = await new FakePool().open();
  await Promise.all(['a', 'b', 'c'].map((name) => catalogue.createVolume({ name, sizeBytes: MiB })));
  const last = catalogue.renameVolume('a', 'd');
  await catalogue.close();
  t.is((await last).name, 'd');
  await fails(t, 'closed', /stopping/, () => catalogue.renameVolume('d', 'e'));
});

test('more records than one scan gives are all read', async (t) => {
  const pool = new FakePool();
  const catalogue = await pool.open();
  for (let index = 0; index < 700; index += 1) {
    await catalogue.createVolume({ name: `v${index}`, sizeBytes: MiB });
  }
  t.is((await pool.open()).volumes().length, 700);
});

test('a volume that a client on another machine could write is held after a loss, until it is accepted', async (t) => {
  const pool = new FakePool();
  const { uuid } = await (await pool.open(3)).createVolume({ name: 'demo', sizeBytes: MiB });
  const before = await pool.open(3);
  await before.admitRemoteWriter(uuid);
  t.false(before.isHeld(before.volume('demo')));
  const after = await pool.open(4);
  t.true(after.isHeld(after.volume('demo')));
  await fails(t, 'denied', /ashlar volume accept demo/, () => after.admitRemoteWriter(uuid));
  t.false(after.isHeld(await after.acceptVolume('demo')));
  await after.admitRemoteWriter(uuid);
  const again = await pool.open(4);
  t.false(again.isHeld(again.volume('demo')));
});

test('a process that was killed, the generation being the same, holds nothing', async (t) => {
  const pool = new FakePool();
  const first = await pool.open(1);
  await first.admitRemoteWriter((await first.createVolume({ name: 'demo', sizeBytes: MiB })).uuid);
  const again = await pool.open(1);
  t.false(again.isHeld(again.volume('demo')));
});

test('a loss holds no volume that only this machine wrote, nor one written from another after the loss', async (t) => {
  const pool = new FakePool();
  const first = await pool.open(0);
  const { uuid } = await first.createVolume({ name: 'demo', sizeBytes: MiB });
  const second = await pool.open(1);
  t.false(second.isHeld(second.volume('demo')));
  await second.admitRemoteWriter(uuid);
  t.false(second.isHeld(second.volume('demo')));
});

test('after a clean stop no loss concerns the writers before it; what is held stays held', async (t) => {
  const pool = new FakePool();
  const first = await pool.open(0);
  await first.admitRemoteWriter((await first.createVolume({ name: 'clean', sizeBytes: MiB })).uuid);
  await first.close();
  await first.forgetRemoteWriters();
  const second = await pool.open(1);
  t.false(second.isHeld(second.volume('clean')));
  await second.admitRemoteWriter(second.volume('clean').uuid);
  const third = await pool.open(2);
  await third.close();
  await third.forgetRemoteWriters();
  const fourth = await pool.open(2);
  t.true(fourth.isHeld(fourth.volume('clean')));
});

test('after-loss = serve holds nothing; said of a volume that is held it lifts that', async (t) => {
  const pool = new FakePool();
  const first = await pool.open(0);
  await first.admitRemoteWriter(
    (await first.createVolume({ name: 'scratch', sizeBytes: MiB, afterLoss: 'serve' })).uuid,
  );
  await first.admitRemoteWriter((await first.createVolume({ name: 'demo', sizeBytes: MiB })).uuid);
  const second = await pool.open(1);
  t.false(second.isHeld(second.volume('scratch')));
  t.true(second.isHeld(second.volume('demo')));
  t.like(await second.acceptVolume('demo', 'serve'), { afterLoss: 'serve', acceptedLoss: 1 });
  const third = await pool.open(2);
  t.false(third.isHeld(third.volume('demo')));
});

test('what a loss does to a volume that says nothing is as configured; its own word wins', async (t) => {
  const pool = new FakePool();
  const first = await pool.open(0);
  for (const [name, own] of [
    ['demo', {}],
    ['kept', { afterLoss: 'hold' }],
    ['scratch', { afterLoss: 'serve' }],
  ] as const) {
    await first.admitRemoteWriter((await first.createVolume({ name, sizeBytes: MiB, ...own })).uuid);
  }
  for (const [byDefault, held] of [
    ['serve', ['kept']],
    ['hold', ['demo', 'kept']],
  ] as const) {
    const after = await pool.open(1, byDefault);
    const volumes = after.volumes();
    t.deepEqual(
      volumes.filter((volume) => after.isHeld(volume)).map(({ name }) => name),
      held,
    );
    t.deepEqual(
      volumes.map((volume) => after.afterLossOf(volume)),
      [byDefault, 'hold', 'serve'],
    );
  }
});

test('where writes that had been flushed are lost each volume is held, whoever wrote it, until it is accepted', async (t) => {
  const pool = new FakePool();
  const first = await pool.open(0);
  await first.createVolume({ name: 'demo', sizeBytes: MiB });
  await first.createVolume({ name: 'scratch', sizeBytes: MiB, afterLoss: 'serve' });
  const second = await pool.open(3, 'hold', 3);
  t.regex(second.heldReason(second.volume('demo')) ?? '', /flushed may be missing.*ashlar volume accept demo/);
  t.false(second.isHeld(second.volume('scratch')));
  t.false(second.isHeld(await second.createVolume({ name: 'later', sizeBytes: MiB })));
  const third = await pool.open(4, 'hold', 3);
  t.true(third.isHeld(third.volume('demo')), 'another start accepts nothing');
  t.false(third.isHeld(third.volume('later')));
  t.false(third.isHeld(await third.acceptVolume('demo')));
  const fourth = await pool.open(4, 'hold', 3);
  t.false(fourth.isHeld(fourth.volume('demo')));
});

test('a writer from another machine is not let in when that cannot be put on record', async (t) => {
  const pool = new FakePool();
  const catalogue = await pool.open(0);
  const { uuid } = await catalogue.createVolume({ name: 'demo', sizeBytes: MiB });
  pool.failing = 'commit';
  await fails(t, 'no-space', /full/, () => catalogue.admitRemoteWriter(uuid));
  t.is(catalogue.volume('demo').remoteWriter, undefined);
});
