import test from 'ava';
import { ManualTime } from './manual-time.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimulatedRecordDisk } from './simulated-record-store.ts';

const key = Buffer.from('key');

function disk(seed: number): { disk: SimulatedRecordDisk; time: ManualTime } {
  const time = new ManualTime();
  return { disk: new SimulatedRecordDisk(new SeededRandom(seed), time), time };
}

test('a commit that has settled is there after a crash, and one that has not is there whole or not at all', async (t) => {
  const outcomes = new Set<number>();
  for (let seed = 0; seed < 40; seed += 1) {
    const { disk: records, time } = disk(seed);
    const settled = records.open().commit([{ key, value: Buffer.from('old') }]);
    time.advance(100);
    await settled;
    void records.open().commit([
      { key, value: Buffer.from('new') },
      { key: Buffer.from('more'), value: Buffer.from('new') },
    ]);
    records.crash();
    const store = records.open();
    const found = [store.get(key), store.get(Buffer.from('more'))].map((value) => value?.toString());
    outcomes.add(found[0] === 'new' ? 1 : 0);
    t.true(found.join() === 'old,' || found.join() === 'new,new', found.join());
  }
  t.is(outcomes.size, 2);
});

test('a commit that is made to fail changes nothing', async (t) => {
  const { disk: records, time } = disk(1);
  records.failNext('no-space');
  const failed = records.open().commit([{ key, value: key }]);
  time.advance(100);
  await t.throwsAsync(failed, { message: /could not commit/ });
  t.is(records.open().get(key), undefined);
});
