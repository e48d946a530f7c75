import { SeededRandom, SimulatedMachine } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { SimulatedPool, type Contents } from './damaged-pools.ts';
import type { PoolReport } from './check.ts';
import { plantings } from './planting.ts';

const seeds = process.env['ASHLAR_LONG'] === '1' ? 300 : 15;

async function filled(seed: number): Promise<SimulatedPool> {
  const pool = new SimulatedPool(new SimulatedMachine(seed), new SeededRandom(seed), seed % 2 === 0);
  await pool.fill();
  return pool;
}

/** The pool of a seed with some of the damage that can be, the same each time. */
async function damaged(seed: number): Promise<{ readonly pool: SimulatedPool; readonly planted: string[] }> {
  const pool = await filled(seed);
  const planted: string[] = [];
  for (let count = pool.random.between(1, 3); count > 0; count -= 1) {
    const name = pool.random.pick(Object.keys(plantings));
    planted.push(name);
    await plantings[name]!(pool);
  }
  return { pool, planted };
}

const sentencesOf = ({ problems }: PoolReport): string[] => problems.map(({ sentence }) => sentence);

/** Everything that was there is there and the same. */
function isNoWorse(t: ExecutionContext, before: Contents, after: Contents, what: string): void {
  for (const [place, checksum] of before) if (after.get(place) !== checksum) t.fail(`${what}: ${place} is worse`);
}

for (let seed = 1; seed <= seeds; seed += 1) {
  test.serial(
    `seed ${seed}: a repair of planted damage makes nothing worse, and mends what it said it would`,
    async (t) => {
      const { pool, planted } = await damaged(seed);
      t.log(planted.join(', '));
      const { named } = pool;
      const kept = await pool.kept();
      const { before, mended, after } = await pool.inspect((inspection) => inspection.repair({ named }), true);
      isNoWorse(t, kept, await pool.kept(), 'what maps lead to');
      const again = await pool.inspect((inspection) => inspection.check({ named }));
      t.deepEqual(again, { ...after, read: again.read });
      t.is(again.mendableCount, 0);
      const left = new Set(sentencesOf(again));
      for (const { sentence, mend } of before.problems) if (mend === 'repair') t.false(left.has(sentence), sentence);
      t.is(before.problems.filter(({ sentence }) => !left.has(sentence)).length, mended.length);
      const known = new Set(sentencesOf(before));
      // The check said that all counts as in use where nothing says what is: some of that is room that is lost.
      const isFilled = before.problems.some(({ sentence }) => sentence.endsWith('count as in use'));
      const isAnnounced = (kind: string): boolean => isFilled && (kind === 'slot-leaked' || kind === 'page-leaked');
      const worse = again.problems.filter(({ sentence, kind }) => !known.has(sentence) && !isAnnounced(kind));
      t.deepEqual(worse, []);
      t.deepEqual(again.damage, before.damage);
      const written = await filled(seed).then((whole) => whole.served());
      const served = await damaged(seed).then((same) => same.pool.served());
      // A place that is given out twice may have been written over before anybody could read it: that is no contents to keep.
      const right = new Map([...served].filter(([place, checksum]) => written.get(place) === checksum));
      isNoWorse(t, right, await pool.served(), 'what clients read');
      if (again.problemCount > 0 || again.damage.length + again.snapshotDamage.length > 0) return;
      await pool.use();
      const used = await pool.inspect((inspection) => inspection.check());
      t.deepEqual(used.problems, [], 'a pool that was mended is one as any other');
    },
  );
}
