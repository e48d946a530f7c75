import { KiB, MiB, type ObjectId, type ObjectStore, type StoreId } from '@ashlar/core';
import { failsWith, noise, sameBytes, SimulatedMachine } from '@ashlar/testing';
import test from 'ava';
import { labelledBytes } from './format/device-label.ts';
import { PoolInspection } from './inspect/pool-inspection.ts';
import { openPool, type ChunkPool, type PoolOptions } from './pool.ts';

const slotBytes = 64 * KiB;
const blockBytes = 4 * KiB;

/** A device with room for so many slots behind its label. */
const deviceBytes = (slots: number): number => labelledBytes + slots * slotBytes;

/** A machine with a directory for a pool, and a device of so many slots. */
class OnDevice {
  readonly machine = new SimulatedMachine(1);

  constructor(slots: number) {
    this.machine.makeDurableDirectory('/pool');
    this.machine.makeDevice('/device', deviceBytes(slots));
  }

  settled<T>(operation: T | Promise<T>): Promise<T> {
    return this.machine.finish(operation);
  }

  open(more?: PoolOptions): Promise<ChunkPool> {
    return this.settled(this.opening(more));
  }

  opening(more: PoolOptions = { device: '/device' }): Promise<ChunkPool> {
    const { machine } = this;
    const options = { journalBytes: 10 * MiB, openRecords: () => machine.openRecords(), ...more };
    return openPool(machine.host, '/pool', options);
  }

  /** Writes over the beginning of a device, or copies that of another. */
  async write(path: string, bytes: Uint8Array): Promise<void> {
    const file = this.machine.host.open(path, {});
    await this.settled(file.write(0, bytes));
    await this.settled(file.sync());
    file.close();
  }

  async copy(from: string, to: string, length: number): Promise<void> {
    const file = this.machine.host.open(from, { readOnly: true });
    const bytes = new Uint8Array(length);
    await this.settled(file.read(0, bytes));
    file.close();
    await this.write(to, bytes);
  }
}

type Made = { readonly id: StoreId; readonly store: ObjectStore; readonly object: ObjectId };

async function make(on: OnDevice, pool: ChunkPool, sizeBytes: number): Promise<Made> {
  const id = await on.settled(pool.createStore());
  const store = await pool.openStore(id);
  return { id, store, object: await on.settled(store.create(sizeBytes, 'off')) };
}

async function usedSlots(on: OnDevice, pool: ChunkPool): Promise<number> {
  await on.settled(pool.checkpoint());
  return (await pool.status()).usedBytes / slotBytes;
}

test('a device that is not empty is refused, with what empties it', async (t) => {
  const on = new OnDevice(10);
  const bytes = new Uint8Array(MiB);
  bytes[64 * KiB + 1] = 1;
  await on.write('/device', bytes);
  await t.throwsAsync(on.open(), {
    message: /not empty. If nothing on it is needed: dd if=\/dev\/zero of=\/device bs=1M/,
  });
  await on.write('/device', bytes.fill(0));
  const pool = await on.open();
  t.is((await pool.status()).device, '/device');
  t.is((await pool.status()).capacityBytes, 10 * slotBytes);
  await on.settled(pool.close());
});

test("a device that is no longer the pool's, or another's, is refused", async (t) => {
  const on = new OnDevice(10);
  await on.settled((await on.open()).close());
  on.machine.makeDevice('/empty', deviceBytes(10));
  await t.throwsAsync(on.open({ device: '/empty' }), { message: /\/empty is not labelled as the device of a pool/ });
  on.machine.makeDurableDirectory('/other');
  const other = openPool(on.machine.host, '/other', { device: '/device', openRecords: () => on.machine.openRecords() });
  await t.throwsAsync(on.settled(other), {
    message: /\/device is the device of the pool [0-9a-f]{32}, and not of this one/,
  });
  await on.settled((await on.open()).close());
});

test('a pool finds its device where it was last, or where it is said to be now', async (t) => {
  const on = new OnDevice(10);
  await on.settled((await on.open()).close());
  await on.settled((await on.open({})).close());
  on.machine.makeDevice('/moved', deviceBytes(10));
  await on.copy('/device', '/moved', deviceBytes(10));
  await on.settled((await on.open({ device: '/moved' })).close());
  const pool = await on.open({});
  t.is((await pool.status()).device, '/moved');
  await on.settled(pool.close());
});

test('a device that has grown gives more room, and one that has shrunk is refused', async (t) => {
  const on = new OnDevice(10);
  await on.settled((await on.open()).close());
  on.machine.makeDevice('/larger', deviceBytes(15));
  await on.copy('/device', '/larger', deviceBytes(10));
  const pool = await on.open({ device: '/larger' });
  t.is((await pool.status()).capacityBytes, 15 * slotBytes);
  await on.settled(pool.close());
  await on.copy('/larger', '/device', deviceBytes(10));
  await t.throwsAsync(on.open({ device: '/device' }), {
    message: /too small: it has room for 640 KiB of data, and the pool had 960 KiB there/,
  });
  on.machine.makeDevice('/tiny', MiB);
  on.machine.makeDurableDirectory('/other');
  const tiny = openPool(on.machine.host, '/other', { device: '/tiny', openRecords: () => on.machine.openRecords() });
  await t.throwsAsync(on.settled(tiny), { message: /too small: it has room for 0 B of data, and a pool needs more/ });
});

test('a pool that has its data in files goes on so, and what is no device is none', async (t) => {
  const on = new OnDevice(10);
  await failsWith(t, 'bad-type', () => on.open({ device: '/pool/lock' }));
  await on.settled((await on.open({})).close());
  await t.throwsAsync(on.open(), { message: /has its data in files, and goes on so/ });
});

test('a pool on a device has no compressed volumes', async (t) => {
  const on = new OnDevice(10);
  const pool = await on.open();
  const { id } = await make(on, pool, MiB);
  await failsWith(t, 'unsupported', () => on.settled(pool.setCompression(id, 'zstd')));
  await on.settled(pool.setCompression(id, 'off'));
  await on.settled(pool.close());
});

test('each chunk of which anything is written takes a slot, until all of it is trimmed', async (t) => {
  const on = new OnDevice(20);
  const pool = await on.open();
  const { store, object } = await make(on, pool, 64 * slotBytes);
  for (let chunk = 0; chunk < 10; chunk += 1) {
    await on.settled(store.write(object, chunk * slotBytes + blockBytes, noise(chunk, blockBytes), false));
  }
  t.is(await usedSlots(on, pool), 10);
  await on.settled(store.write(object, 0, noise(1, 5 * slotBytes), false));
  t.is(await usedSlots(on, pool), 10);
  await on.settled(store.trim(object, blockBytes, slotBytes - blockBytes, false));
  t.is(await usedSlots(on, pool), 10);
  await on.settled(store.trim(object, 0, slotBytes, false));
  t.is(await usedSlots(on, pool), 9);
  await on.settled(pool.close());
});

test('a device is full when all slots are taken: what has a slot is written over all the same', async (t) => {
  const on = new OnDevice(20);
  const pool = await on.open();
  const { store, object } = await make(on, pool, 64 * slotBytes);
  const wanted = new Map<number, Uint8Array>();
  const write = async (chunk: number, seed: number): Promise<void> => {
    const bytes = noise(seed, blockBytes);
    await on.settled(store.write(object, chunk * slotBytes, bytes, false));
    wanted.set(chunk, bytes);
  };
  for (let chunk = 0; chunk < 20; chunk += 1) await write(chunk, chunk);
  await failsWith(t, 'no-space', () => write(20, 20));
  await failsWith(t, 'no-space', () => write(21, 21));
  for (let chunk = 0; chunk < 20; chunk += 1) await write(chunk, 100 + chunk);
  // All of a chunk goes to a slot of its own where there is one.
  for (let chunk = 0; chunk < 20; chunk += 1)
    await on.settled(store.write(object, chunk * slotBytes, noise(7, slotBytes), true));
  for (let chunk = 0; chunk < 20; chunk += 1) await write(chunk, 200 + chunk);
  t.is(await usedSlots(on, pool), 20);
  await on.settled(store.trim(object, 0, slotBytes, false));
  wanted.delete(0);
  await write(30, 30);
  await on.settled(pool.close());
  const again = await on.open();
  const [id] = (await again.listStores()).slice(-1);
  const reopened = await again.openStore(id!);
  for (const [chunk, bytes] of wanted) {
    const found = new Uint8Array(blockBytes);
    await on.settled(reopened.read(object, chunk * slotBytes, found));
    sameBytes(t, bytes, found, `chunk ${chunk}`);
  }
  await on.settled(again.close());
});

test('where the disk of the directory is full nothing new goes in, though the device has room', async (t) => {
  const on = new OnDevice(20);
  const pool = await on.open();
  const { store, object } = await make(on, pool, 64 * slotBytes);
  await on.settled(store.write(object, 0, noise(1, blockBytes), true));
  await on.settled(pool.checkpoint());
  on.machine.setRoom(MiB);
  await t.throwsAsync(on.settled(store.write(object, slotBytes, noise(2, blockBytes), true)), {
    message: /maps and checksums of new data need room on the disk of the pool's directory/,
  });
  await on.settled(store.write(object, 0, noise(3, blockBytes), true));
  on.machine.setRoom(undefined);
  await on.settled(store.write(object, slotBytes, noise(2, blockBytes), true));
  await on.settled(pool.close());
});

test('a chunk that is in several slots, since snapshots are gone, is in one again when it is written to', async (t) => {
  const on = new OnDevice(40);
  const pool = await on.open();
  const { store, object } = await make(on, pool, 8 * slotBytes);
  const snapshots = [];
  for (let part = 0; part < 3; part += 1) {
    for (let chunk = 0; chunk < 8; chunk += 1) {
      await on.settled(store.write(object, chunk * slotBytes + part * blockBytes, noise(part, blockBytes), false));
    }
    snapshots.push(await on.settled(store.snapshot()));
  }
  t.is(await usedSlots(on, pool), 24);
  for (const snapshot of snapshots) await on.settled(store.deleteSnapshot(snapshot));
  for (let turn = 0; turn < 8; turn += 1) await on.settled(pool.checkpoint());
  for (let chunk = 0; chunk < 8; chunk += 1) {
    await on.settled(store.write(object, chunk * slotBytes + 3 * blockBytes, noise(3, blockBytes), false));
  }
  t.is(await usedSlots(on, pool), 8);
  const found = new Uint8Array(4 * blockBytes);
  await on.settled(store.read(object, 7 * slotBytes, found));
  for (let part = 0; part < 4; part += 1) {
    sameBytes(t, noise(part, blockBytes), found.subarray(part * blockBytes, (part + 1) * blockBytes), `part ${part}`);
  }
  await on.settled(pool.close());
});

test('all of a device can be reserved for a volume that is written here and there', async (t) => {
  const on = new OnDevice(32);
  const pool = await on.open();
  const { id, store, object } = await make(on, pool, 32 * slotBytes);
  await on.settled(pool.reserve(id, 32 * slotBytes, true));
  const other = await make(on, pool, MiB);
  await failsWith(t, 'no-space', () => on.settled(other.store.write(other.object, 0, noise(1, blockBytes), true)));
  for (let chunk = 0; chunk < 32; chunk += 1) {
    await on.settled(store.write(object, chunk * slotBytes, noise(chunk, blockBytes), false));
    if (chunk % 10 === 0) await on.settled(pool.checkpoint());
  }
  await on.settled(pool.checkpoint());
  t.is((await pool.status()).reservedBytes, 0, 'all that is reserved is its own');
  t.is((await pool.status()).availableBytes, 0);
  await on.settled(pool.close());
});

test('the data on a device is checked, and what is damaged there is found', async (t) => {
  const on = new OnDevice(20);
  const pool = await on.open();
  const { store, object } = await make(on, pool, 8 * slotBytes);
  await on.settled(store.write(object, 0, noise(1, 3 * slotBytes), true));
  await on.settled(pool.close());
  const look = async (): Promise<readonly { readonly offset: number; readonly length: number }[]> => {
    const inspection = PoolInspection.open(on.machine.host, '/pool', { openRecords: () => on.machine.openRecords() });
    try {
      const { problems, damage } = await on.settled(inspection.check());
      t.deepEqual(problems, []);
      return damage.flatMap((each) => each.damage);
    } finally {
      await inspection.close();
    }
  };
  t.deepEqual(await look(), []);
  on.machine.flipBit('/device', deviceBytes(1) + 5 * blockBytes + 17);
  const [found, ...more] = await look();
  t.deepEqual(more, []);
  t.is(found?.length, blockBytes);
  t.is((found?.offset ?? 0) % slotBytes, 5 * blockBytes);
});

test('what a kill left in the journal has its slots, and nobody else is let have them', async (t) => {
  const on = new OnDevice(4);
  const { id, store, object } = await make(on, await on.open(), MiB);
  for (let chunk = 0; chunk < 4; chunk += 1) {
    await on.settled(store.write(object, chunk * slotBytes, noise(chunk, blockBytes), false));
  }
  on.machine.crash(false);
  // Before what was there is home, which begins at once.
  const opened = async (): Promise<{ pool: ChunkPool; again: ObjectStore }> => {
    const pool = await on.opening();
    const again = await pool.openStore(id);
    await failsWith(t, 'no-space', () => again.write(object, 4 * slotBytes, noise(4, blockBytes), false));
    return { pool, again };
  };
  const { pool, again } = await on.settled(opened());
  await on.settled(again.write(object, 3 * slotBytes + blockBytes, noise(5, blockBytes), false));
  await on.settled(pool.close());
  const last = await on.open();
  const into = new Uint8Array(blockBytes);
  await on.settled((await last.openStore(id)).read(object, 3 * slotBytes + blockBytes, into));
  sameBytes(t, noise(5, blockBytes), into, 'what was written behind the kill');
  await on.settled(last.close());
});
