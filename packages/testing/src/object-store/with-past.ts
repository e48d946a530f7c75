import { MiB, type ObjectId, type ObjectStore, type Pool, type Settled, type StoreId } from '@ashlar/core';
import { pattern } from '../block-device/subject.ts';
import type { PoolFixture, PoolSubject } from './subject.ts';

/** A snapshot is taken behind each so many changes, and so many are kept. */
const changesEach = 5;
const mostSnapshots = 3;

/** `own` where it has something, else `base`. */
function overriding<T extends object>(base: T, own: Partial<T>): T {
  return new Proxy(base, {
    get: (target, key) => {
      const value: unknown = Reflect.get(own, key) ?? Reflect.get(target, key);
      return typeof value === 'function' && !Reflect.has(own, key) ? value.bind(target) : value;
    },
  });
}

/** The same of what opens, opens again, is killed and loses its power, with `wrap` around its pool each time. */
function withPools(fixture: PoolFixture, wrap: (pool: Pool) => Pool): PoolFixture {
  const { reopen, kill, losePower } = fixture;
  return {
    ...fixture,
    pool: wrap(fixture.pool),
    reopen: async () => wrap(await reopen()),
    ...(kill === undefined ? {} : { kill: async () => wrap(await kill()) }),
    ...(losePower === undefined ? {} : { losePower: async () => wrap(await losePower()) }),
  };
}

/** A store of which snapshots are taken and deleted all the time, whatever else is done to it. */
function betweenSnapshots(store: ObjectStore): ObjectStore {
  let changes = 0;
  let retiring: Promise<void> = Promise.resolve();
  const retire = async (): Promise<void> => {
    const [first, ...others] = store.snapshots();
    if (first !== undefined && others.length >= mostSnapshots) await store.deleteSnapshot(first.id);
  };
  /** The snapshot is asked for at once behind the change; who waits for the change waits for it as well. */
  const counted = <T>(change: Settled<T>): Settled<T> => {
    changes += 1;
    if (changes % changesEach !== 0) return change;
    const taken = Promise.resolve(store.snapshot());
    retiring = Promise.all([retiring, taken]).then(retire);
    return Promise.all([change, taken, retiring]).then(([result]) => result);
  };
  return overriding(store, {
    create: (...all) => counted(store.create(...all)),
    delete: (...all) => counted(store.delete(...all)),
    write: (...all) => counted(store.write(...all)),
    trim: (...all) => counted(store.trim(...all)),
    zero: (...all) => counted(store.zero(...all)),
    truncate: (...all) => counted(store.truncate(...all)),
    commit: (...all) => counted(store.commit(...all)),
  });
}

/** Stores between whose changes snapshots are taken. */
export function ofSnapshots(subject: PoolSubject): PoolSubject {
  const wrap = (pool: Pool): Pool =>
    overriding(pool, { openStore: async (id) => betweenSnapshots(await pool.openStore(id)) });
  const { isCompressed = false, isOnDevice = false } = subject;
  return { create: async () => withPools(await subject.create(), wrap), past: 'snapshots', isCompressed, isOnDevice };
}

type CloneOfClone = { readonly clone: StoreId; readonly object: ObjectId; readonly others: readonly StoreId[] };

/** Makes a store with an object in it, and a clone of a clone of it. */
async function cloneOfClone(pool: Pool): Promise<CloneOfClone> {
  const first = await pool.createStore();
  const store = await pool.openStore(first);
  const object = await store.create(MiB, 'off');
  await store.write(object, 4096, pattern(1, 900_000), false);
  const second = await pool.cloneStore(first, await store.snapshot());
  const between = await pool.openStore(second);
  await between.write(object, 500_000, pattern(2, 10_000), false);
  const clone = await pool.cloneStore(second, await between.snapshot());
  await between.close();
  await store.close();
  return { clone, object, others: [first, second] };
}

/** Stores that are clones: the first object that is made in each is the one that it was cloned with, without what that had. */
export function ofClones(subject: PoolSubject): PoolSubject {
  const withClones = (fixture: PoolFixture): PoolFixture => {
    const origins = new Set<StoreId>();
    const inherited = new Map<StoreId, ObjectId>();
    const emptied = async (store: ObjectStore, object: ObjectId, sizeBytes: number): Promise<ObjectId> => {
      await store.truncate(object, 0);
      await store.truncate(object, sizeBytes);
      return object;
    };
    const inheriting = (id: StoreId, store: ObjectStore): ObjectStore =>
      overriding(store, {
        create: (sizeBytes, preallocation) => {
          const object = preallocation === 'off' ? inherited.get(id) : undefined;
          if (object === undefined) return store.create(sizeBytes, preallocation);
          inherited.delete(id);
          return emptied(store, object, sizeBytes);
        },
      });
    return withPools(fixture, (pool) =>
      overriding(pool, {
        createStore: async () => {
          const { clone, object, others } = await cloneOfClone(pool);
          for (const other of others) origins.add(other);
          inherited.set(clone, object);
          return clone;
        },
        openStore: async (id) => inheriting(id, await pool.openStore(id)),
        listStores: async () => (await pool.listStores()).filter((id) => !origins.has(id)),
      }),
    );
  };
  const { createLimited, isCompressed = false, isOnDevice = false } = subject;
  return {
    create: async () => withClones(await subject.create()),
    ...(createLimited === undefined ? {} : { createLimited: async (room) => withClones(await createLimited(room)) }),
    past: 'clone',
    isCompressed,
    isOnDevice,
  };
}

/** Stores that are compressed. */
export function ofCompressed({ create, createLimited }: PoolSubject): PoolSubject {
  const compressing = (pool: Pool): Pool =>
    overriding(pool, {
      createStore: async () => {
        const store = await pool.createStore();
        await pool.setCompression(store, 'zstd');
        return store;
      },
    });
  return {
    create: async () => withPools(await create(), compressing),
    ...(createLimited === undefined
      ? {}
      : { createLimited: async (room) => withPools(await createLimited(room), compressing) }),
    isCompressed: true,
  };
}
