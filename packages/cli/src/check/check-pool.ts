import { errorKindOf, MiB, systemStore, type ObjectStore, type PoolState, type StoreId } from '@ashlar/core';
import { readCatalogue, type Volume } from '@ashlar/volume';
import type { Offline } from './open-offline.ts';

type Damage = { readonly offset: number; readonly length: number };

type VolumeCheck = {
  readonly name: string;
  readonly sizeBytes: number;
  /** Bytes that were read and verified. */
  readonly dataBytes: number;
  /** Runs of blocks that cannot be read as they were written. */
  readonly damage: readonly Damage[];
};

export type PoolCheck = {
  readonly ok: boolean;
  readonly path: string;
  readonly state: PoolState;
  readonly reason: string | undefined;
  readonly volumes: readonly VolumeCheck[];
  /** Stores that no volume names: the next start removes them. */
  readonly strayStores: readonly StoreId[];
};

/** Told as data is read: bytes of `totalBytes` allocated. */
export type Progress = (doneBytes: number, totalBytes: number) => void;

const stepBytes = MiB;
const blockBytes = 4096;
const extentsEach = 1024;

/** Reads every allocated block of every volume, which verifies its checksum, and the records with it. */
export async function checkPool({ path, pool, records }: Offline, progress: Progress): Promise<PoolCheck> {
  const { volumes } = await readCatalogue(records);
  const named = new Set(volumes.map(({ storeId }) => storeId));
  const strayStores = (await pool.listStores()).filter((store) => store !== systemStore && !named.has(store));
  const { allocatedBytes } = await pool.status();
  const checks: VolumeCheck[] = [];
  let doneBytes = 0;
  for (const volume of volumes) {
    const store = await pool.openStore(volume.storeId);
    const check = await checkVolume(store, volume, (bytes) => progress((doneBytes += bytes), allocatedBytes));
    checks.push(check);
    await store.close();
  }
  const { state, reason } = await pool.status();
  const ok = state === 'ok' && checks.every(({ damage }) => damage.length === 0);
  return { ok, path, state, reason, volumes: checks, strayStores };
}

async function checkVolume(
  store: ObjectStore,
  { name, objectId }: Volume,
  done: (bytes: number) => void,
): Promise<VolumeCheck> {
  const sizeBytes = store.sizeOf(objectId);
  const damage: Damage[] = [];
  const memory = new Uint8Array(stepBytes);
  let dataBytes = 0;
  for (let at = 0; at < sizeBytes;) {
    for (const extent of await store.extents(objectId, at, sizeBytes - at, extentsEach)) {
      at = extent.offset + extent.length;
      if (extent.state !== 'data') continue;
      for (let offset = extent.offset; offset < at; offset += stepBytes) {
        const into = memory.subarray(0, Math.min(stepBytes, at - offset));
        damage.push(...(await readStep(store, objectId, offset, into)));
        dataBytes += into.length;
        done(into.length);
      }
    }
  }
  return { name, sizeBytes, dataBytes, damage: joined(damage) };
}

/** Reads a step; where it fails, block by block, so that what is damaged is known exactly. */
async function readStep(store: ObjectStore, objectId: number, offset: number, into: Uint8Array): Promise<Damage[]> {
  if (await isReadable(store, objectId, offset, into)) return [];
  const damage: Damage[] = [];
  for (let at = 0; at < into.length; at += blockBytes) {
    const block = into.subarray(at, Math.min(at + blockBytes, into.length));
    if (!(await isReadable(store, objectId, offset + at, block)))
      damage.push({ offset: offset + at, length: block.length });
  }
  return damage;
}

async function isReadable(store: ObjectStore, objectId: number, offset: number, into: Uint8Array): Promise<boolean> {
  try {
    await store.read(objectId, offset, into);
    return true;
  } catch (error) {
    const kind = errorKindOf(error);
    if (kind === 'corrupt' || kind === 'io') return false;
    throw error;
  }
}

function joined(damage: readonly Damage[]): Damage[] {
  const found: Damage[] = [];
  for (const { offset, length } of damage) {
    const last = found.at(-1);
    if (last !== undefined && last.offset + last.length === offset) {
      found[found.length - 1] = { offset: last.offset, length: last.length + length };
    } else found.push({ offset, length });
  }
  return found;
}
