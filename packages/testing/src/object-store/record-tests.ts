import type { ObjectStore, RecordChange } from '@ashlar/core';
import { failsWith, sameBytes } from '../expect.ts';
import { SeededRandom } from '../seeded-random.ts';
import { recordIn, text, type StoreTest } from './subject.ts';

const first = new Uint8Array(0);
const last = new Uint8Array(8).fill(0xff);

function put(key: string, value: string | null): RecordChange {
  return { key: text(key), value: value === null ? null : text(value) };
}

/** All records, asked for `limit` at a time, as `key=value`. */
async function allRecords(store: ObjectStore, limit: number): Promise<string[]> {
  const found: string[] = [];
  const decoder = new TextDecoder();
  for (let from: Uint8Array = first; ;) {
    const part = await store.scanRecords(from, last, limit);
    for (const { key, value } of part) found.push(`${decoder.decode(key)}=${decoder.decode(value)}`);
    const end = part.at(-1);
    if (part.length < limit || end === undefined) return found;
    from = Uint8Array.of(...end.key, 0);
  }
}

/** Records: atomic batches in the one sequence, scans that merge what is new with what is old. */
export function recordTests(check: StoreTest): void {
  check('a record is read back, changed and deleted', async (t, run) => {
    const store = await run.start();
    t.is(await recordIn(store, 'a'), undefined);
    await store.commit([put('a', 'one'), put('b', '')], false);
    t.is(await recordIn(store, 'a'), 'one');
    t.is(await recordIn(store, 'b'), '');
    await store.commit([put('a', 'two'), put('b', null)], true);
    t.is(await recordIn(store, 'a'), 'two');
    t.is(await recordIn(store, 'b'), undefined);
  });

  check('of two changes of one key in a batch the later one stands', async (t, run) => {
    const store = await run.start();
    await store.commit([put('a', '1'), put('a', null), put('a', '2'), put('b', '1'), put('b', null)], false);
    t.deepEqual(await allRecords(store, 10), ['a=2']);
  });

  check('batches take effect in the order they were asked for', async (t, run) => {
    const store = await run.start();
    await Promise.all(Array.from({ length: 20 }, (_, index) => store.commit([put('a', `${index}`)], index % 5 === 0)));
    t.is(await recordIn(store, 'a'), '19');
  });

  check('a scan gives byte order, its bounds and its limit', async (t, run) => {
    const store = await run.start();
    const keys = [[0], [0, 0], [1], [1, 0], [1, 255], [2], [127], [128], [255]].map((bytes) => Uint8Array.from(bytes));
    await store.commit(
      keys.toReversed().map((key) => ({ key, value: key })),
      false,
    );
    const scan = async (from: number[], to: number[], limit: number): Promise<number[][]> =>
      (await store.scanRecords(Uint8Array.from(from), Uint8Array.from(to), limit)).map(({ key }) => [...key]);
    t.deepEqual(
      await scan([], [255, 255], 100),
      keys.map((key) => [...key]),
    );
    t.deepEqual(await scan([1], [2], 100), [[1], [1, 0], [1, 255]]);
    t.deepEqual(await scan([1], [2], 2), [[1], [1, 0]]);
    t.deepEqual(await scan([0, 1], [1], 100), []);
    t.deepEqual(await scan([128], [128], 100), []);
  });

  check('a scan merges what is new with what was there before, deletions too', async (t, run) => {
    let store = await run.start();
    const random = new SeededRandom(5);
    const model = new Map<string, string>();
    for (let round = 0; round < 4; round += 1) {
      for (let batch = 0; batch < 20; batch += 1) {
        const changes = Array.from({ length: 1 + random.below(10) }, () => {
          const key = `k${random.below(150)}`;
          const value = random.oneIn(3) ? null : `v${random.below(1000)}`;
          if (value === null) model.delete(key);
          else model.set(key, value);
          return put(key, value);
        });
        await store.commit(changes, false);
      }
      const expected = [...model].map(([key, value]) => `${key}=${value}`).toSorted();
      for (const limit of [1, 7, 1000]) t.deepEqual((await allRecords(store, limit)).toSorted(), expected);
      t.deepEqual(
        (await allRecords(store, 13)).map((line) => line.split('=')[0]),
        [...model.keys()].toSorted(),
      );
      store = await run.reopen();
    }
  });

  check('keys of 1,500 bytes and values of 60 KiB are kept, and longer ones refused', async (t, run) => {
    const store = await run.start();
    const key = new Uint8Array(1500).fill(7);
    const value = new Uint8Array(60 * 1024).fill(9);
    await store.commit([{ key, value }], false);
    const found = (await (await run.reopen()).getRecord(key)) ?? new Uint8Array(0);
    sameBytes(t, value, found, 'the value');
  });

  check('a key or value that is too long is refused and nothing of its batch stands', async (t, run) => {
    const store = await run.start();
    const long = { key: new Uint8Array(1501), value: first };
    const large = { key: text('large'), value: new Uint8Array(60 * 1024 + 1) };
    await failsWith(t, 'invalid', () => store.commit([put('a', '1'), long], false));
    await failsWith(t, 'invalid', () => store.commit([put('a', '1'), large], false));
    t.deepEqual(await allRecords(store, 10), []);
  });

  check('the bytes of a record are copies: changing them changes nothing', async (t, run) => {
    const store = await run.start();
    const key = text('key');
    const value = text('value');
    await store.commit([{ key, value }], false);
    key.fill(0);
    value.fill(0);
    const found = await store.getRecord(text('key'));
    t.is(Buffer.from(found ?? []).toString(), 'value');
    found?.fill(1);
    t.is(await recordIn(store, 'key'), 'value');
  });

  check('records and objects of two stores are apart', async (t, run) => {
    const store = await run.start();
    const other = await run.pool.openStore(await run.pool.createStore());
    await store.commit([put('a', 'mine')], false);
    await other.commit([put('a', 'theirs'), put('b', 'theirs')], false);
    t.deepEqual(await allRecords(store, 10), ['a=mine']);
    t.deepEqual(await allRecords(other, 10), ['a=theirs', 'b=theirs']);
  });
}
