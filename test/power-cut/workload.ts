import { appendFileSync } from 'node:fs';
import { systemStore, type ObjectStore } from '@ashlar/core';
import { createRealHost, endProcess } from '@ashlar/host';
import { openPool, type BrokenRule } from '@ashlar/store';
import { SeededRandom } from '@ashlar/testing';
import { blockBytes, contents } from '../faults/marked-blocks.ts';
import { apply, poolOptions, stateLine, volumeBlocks, volumeCount } from './ledger.ts';
import type { Change, LedgerLine, VolumeState } from './ledger.ts';
import { positionOf } from './recording.ts';
import { createObject, placeOf, readVolume } from './volume.ts';

/**
 * Changes the volumes of a pool on the recording disk, both at once, and writes down what was asked and answered when:
 * POOL LEDGER RECORDING SEED EARLIER CHANGES [RULE]: changes of each volume in earlier sessions, and a rule of the store to break.
 */
const [path = '', ledgerPath = '', recordingPath = '', seed = '1', earlier = '0', count = '100', broken] =
  process.argv.slice(2);

const random = new SeededRandom(Number(seed));
const note = (line: LedgerLine): void => appendFileSync(ledgerPath, `${JSON.stringify(line)}\n`);
const position = (): number => positionOf(recordingPath);

const options = { ...poolOptions, ...(broken === undefined ? {} : { broken: broken as BrokenRule }) };
const host = createRealHost();
const isNew = host.stat(path) === undefined;
const begun = position();
const pool = await openPool(host, path, options);
if (isNew) for (let volume = 0; volume < volumeCount; volume += 1) await pool.createStore();
const ids = (await pool.listStores()).filter((id) => id !== systemStore);
const stores = await Promise.all(ids.map((id) => pool.openStore(id)));

/** What the volume has; a new one gets its object. */
async function begin(store: ObjectStore, volume: number): Promise<VolumeState> {
  if (isNew) await createObject(store);
  const { object, versions, snapshots } = await readVolume(store, volume);
  const known = (each: readonly (number | undefined)[]): Uint32Array =>
    Uint32Array.from(each, (version, block) => {
      if (version === undefined)
        throw new Error(`block ${block} of volume ${volume} has nothing that was written there`);
      return version;
    });
  return {
    object,
    versions: known(versions),
    snapshots: new Map([...snapshots].map(([id, each]) => [id, known(each)])),
  };
}

/** Chooses what is asked of the volume next. Snapshots are the first volume's, and the second one's object comes and goes. */
function choose(volume: number, { object, snapshots }: VolumeState): Change['kind'] {
  if (object === undefined) return 'create';
  const chance = random.below(20);
  if (chance === 0 && volume > 0) return 'delete';
  if (chance < 2 && volume === 0) return snapshots.size < 4 ? 'snapshot' : 'drop';
  if (chance === 2 && snapshots.size > 0) return 'drop';
  return chance < 5 ? 'flush' : 'set';
}

async function change(store: ObjectStore, volume: number, state: VolumeState, version: number): Promise<Change> {
  const kind = choose(volume, state);
  switch (kind) {
    case 'create':
      return { kind, object: await createObject(store) };
    case 'delete': {
      const object = state.object!;
      await store.delete(object);
      return { kind, object };
    }
    case 'snapshot':
      return { kind, id: await store.snapshot() };
    case 'drop': {
      const id = random.pick([...state.snapshots.keys()]);
      await store.deleteSnapshot(id);
      return { kind, id };
    }
    case 'flush':
      await store.sync();
      return { kind };
    default:
      return await set(store, volume, state.object!, version);
  }
}

async function set(store: ObjectStore, volume: number, object: number, version: number): Promise<Change> {
  const blocks = random.oneIn(6) ? random.between(16, 128) : random.between(1, 6);
  const first = random.below(volumeBlocks - blocks);
  const durable = random.oneIn(10);
  const [offset, length] = [first * blockBytes, blocks * blockBytes];
  const how = random.below(10);
  if (how === 0) await store.trim(object, offset, length, durable);
  else if (how === 1) await store.zero(object, offset, length, random.oneIn(2), durable);
  else await store.write(object, offset, contents(version, placeOf(volume, first), blocks), durable);
  return { kind: 'set', version: how < 2 ? 0 : version, first, count: blocks, durable };
}

async function work(store: ObjectStore, volume: number, state: VolumeState): Promise<void> {
  for (let number = 1; number <= Number(count); number += 1) {
    const begun = position();
    const done = await change(store, volume, state, Number(earlier) + number);
    note({ kind: 'done', volume, begun, answered: position(), change: done });
    apply(state, done);
    if (random.oneIn(40)) await pool.checkpoint();
  }
}

const states: VolumeState[] = [];
for (const [volume, store] of stores.entries()) states.push(await begin(store, volume));
const { lossGeneration } = await pool.status();
const volumes = states.map((state, volume) => ({ store: ids[volume]!, state: stateLine(state) }));
note({ kind: 'opened', begun, answered: position(), isNew, lossGeneration, volumes });
await Promise.all(stores.map((store, volume) => work(store, volume, states[volume]!)));
// The power goes while everything is open: nothing is closed, nothing written back.
endProcess(0);
