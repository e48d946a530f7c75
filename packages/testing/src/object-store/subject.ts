import { createCipheriv } from 'node:crypto';
import { AshlarError, type ObjectId, type ObjectStore, type Pool, type StoreId } from '@ashlar/core';
import type { ExecutionContext, TestFn } from 'ava';
import { pattern } from '../block-device/subject.ts';

/** A pool under test, and what can be done to it from outside. */
export type PoolFixture = {
  readonly pool: Pool;
  /** Closes the pool and opens it again. */
  readonly reopen: () => Promise<Pool>;
  /** Opens a second pool on the same place while the first is open. */
  readonly openSecond?: () => Promise<Pool>;
  /** Forgets the pool as if its process had been killed, and opens it again. */
  readonly kill?: () => Promise<Pool>;
  /** The same with the loss of everything that was not made durable. */
  readonly losePower?: () => Promise<Pool>;
  /** Removes what the fixture made; the pool may be closed or not. */
  readonly dispose: () => Promise<void>;
};

export type PoolSubject = {
  readonly create: () => Promise<PoolFixture>;
  /** A pool in a place that holds at most that many bytes, all of the pool's own files included. */
  readonly createLimited?: (roomBytes: number) => Promise<PoolFixture>;
  /** Its stores share blocks with snapshots that the tests do not know of, or with what they were cloned from. */
  readonly past?: 'snapshots' | 'clone';
  /** Its stores are compressed: what they take is less than what they hold. */
  readonly isCompressed?: boolean;
  /** Its data lies on a device, which has room for nothing else: all that is limited is the data's, and no file system has maps of it. */
  readonly isOnDevice?: boolean;
};

export type StoreTest = (title: string, body: (t: ExecutionContext, run: StoreRun) => Promise<void>) => void;

/** One test's pool with one store in it. */
export class StoreRun {
  readonly subject: PoolSubject;
  #fixture: PoolFixture | undefined;
  #pool: Pool | undefined;
  #storeId: StoreId = 0;
  #store: ObjectStore | undefined;

  constructor(subject: PoolSubject) {
    this.subject = subject;
  }

  async start(roomBytes?: number): Promise<ObjectStore> {
    const { create, createLimited } = this.subject;
    this.#fixture =
      roomBytes === undefined || createLimited === undefined ? await create() : await createLimited(roomBytes);
    this.#pool = this.#fixture.pool;
    this.#storeId = await this.#pool.createStore();
    this.#store = await this.#pool.openStore(this.#storeId);
    return this.#store;
  }

  get fixture(): PoolFixture {
    return present(this.#fixture);
  }

  get pool(): Pool {
    return present(this.#pool);
  }

  get storeId(): StoreId {
    return this.#storeId;
  }

  async reopen(): Promise<ObjectStore> {
    return await this.#again(await this.fixture.reopen());
  }

  /** Gives nothing where the subject cannot be killed. */
  async kill(): Promise<ObjectStore | undefined> {
    return this.fixture.kill === undefined ? undefined : await this.#again(await this.fixture.kill());
  }

  /** Gives nothing where the subject cannot lose its power. */
  async losePower(): Promise<ObjectStore | undefined> {
    return this.fixture.losePower === undefined ? undefined : await this.#again(await this.fixture.losePower());
  }

  async end(): Promise<void> {
    await this.#pool?.close();
    await this.#fixture?.dispose();
  }

  async #again(pool: Pool): Promise<ObjectStore> {
    this.#pool = pool;
    this.#store = await pool.openStore(this.#storeId);
    return this.#store;
  }
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new AshlarError('closed', 'the test has not started its pool');
  return value;
}

/** Pools that are open at once: each takes some of the machine's memory. */
const mostAtOnce = 12;
let running = 0;
const waiting: (() => void)[] = [];

/** Runs one of the tests of a file, which all begin at once, when it has its turn. */
async function inTurn(body: () => Promise<void>): Promise<void> {
  if (running === mostAtOnce) await new Promise<void>((resolve) => waiting.push(resolve));
  else running += 1;
  try {
    await body();
  } finally {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  }
}

export function storeTest(test: TestFn, name: string, subject: PoolSubject): StoreTest {
  return (title, body) => {
    test(`${name}: ${title}`, (t) =>
      inTurn(async () => {
        const run = new StoreRun(subject);
        try {
          await body(t, run);
        } finally {
          await run.end();
        }
      }));
  };
}

export async function readObject(
  store: ObjectStore,
  object: ObjectId,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const into = new Uint8Array(length).fill(0xee);
  await store.read(object, offset, into);
  return into;
}

/** Bytes that do not compress: the same for the same seed. */
export function noise(seed: number, length: number): Uint8Array {
  const key = Buffer.alloc(16);
  key.writeDoubleLE(seed);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  const { buffer, byteOffset } = cipher.update(new Uint8Array(length));
  return new Uint8Array(buffer, byteOffset, length);
}

/** Of which half compresses. */
export function mixed(seed: number, length: number): Uint8Array {
  const bytes = pattern(seed, length);
  const random = noise(seed, length);
  for (let at = 0; at < length; at += 8192) bytes.set(random.subarray(at, at + 4096), at);
  return bytes;
}

const encoder = new TextEncoder();

/** A record's key or value from text. */
export function text(value: string): Uint8Array {
  return encoder.encode(value);
}

/** The value of a record as text. */
export async function recordIn(store: Pick<ObjectStore, 'getRecord'>, key: string): Promise<string | undefined> {
  const value = await store.getRecord(text(key));
  return value === undefined ? undefined : Buffer.from(value).toString();
}
