import type { BrokenRule } from '@ashlar/store';
import test, { type ExecutionContext } from 'ava';
import { SeedRunner } from './run-seed.ts';

const long = process.env['ASHLAR_LONG'] === '1';
const groups = 10;
/** The long run has ten thousand histories besides, as `npm run simulate -- --count 10000` (test/setup). */
const seeds = 300;
/** Histories whose crashes are looked at before they are recovered, which takes twice as long. */
const checkedSeeds = long ? 300 : 20;
/** Within so many histories a rule that is broken must be found out. In the short form those that need several are looked for where they were seen. */
const most = long ? 5000 : 600;
const rarest: Partial<Record<BrokenRule, number>> = {
  'checksums-not-compared': 3,
  'recovered-segments-reused': 3,
  'release-before-commit': 3,
  'flush-answered-early': 7,
  'record-log-not-synced': 9,
  'snapshot-not-synced': 9,
  'flush-skips-data': 12,
  'rescue-not-synced': 12,
  'sync-retried': 12,
  'home-before-journal': 15,
  'room-not-counted': 15,
  'origin-forgotten': 33,
  'cursor-not-committed': 115,
  'snapshots-apart': 327,
  'reservation-ignored': 2725,
};

async function clean(t: ExecutionContext, first: number, count: number): Promise<void> {
  const runner = new SeedRunner();
  for (let seed = first; seed < first + count; seed += 1) {
    const { problem, history } = await runner.run({ seed, operations: 200 });
    if (problem !== undefined) t.log(history.slice(-40).join('\n'));
    t.is(problem, undefined, `npm run simulate -- --seed ${seed}`);
  }
}

for (let group = 0; group < groups; group += 1) {
  const count = seeds / groups;
  const first = 1 + group * count;
  test(`nothing is lost in the histories of seeds ${first} to ${first + count - 1}, whatever crashes`, (t) =>
    clean(t, first, count));
}

test('what a crash leaves is in order before anybody recovers it: no slot is lost or lies in two maps, every count is right', async (t) => {
  const runner = new SeedRunner();
  for (let seed = 1; seed <= checkedSeeds; seed += 1) {
    const { problem, history } = await runner.run({ seed, operations: 200, checked: true });
    if (problem !== undefined) t.log(history.slice(-40).join('\n'));
    t.is(problem, undefined, `seed ${seed}`);
  }
});

/** Each rule of the store with what is wrong when it is not kept, or what it says; the numbers are those of the rules. */
const rules: Readonly<Record<BrokenRule, string>> = {
  'home-before-journal': '1: data comes home before the journal is durable',
  'release-before-commit': '1: slots and segments are given back before the commit is durable',
  'flush-skips-data': '2: a flush does not sync the slots that the journal names',
  'recovery-skips-verification': '3: recovery takes records over whose bytes do not verify',
  'recovered-segments-reused': '3: appends go over what a recovery took over and nothing has brought home',
  'no-loss-generation': '4: a recovery that may have lost something does not say so',
  'sync-retried': '5: a sync that failed is tried again in place',
  'rescue-not-synced': '5: what a failed sync was to write is written elsewhere and not synced there',
  'room-not-counted': '6: new blocks are acknowledged without room for them',
  'reservation-ignored': '6: a volume takes what is reserved for another',
  'stale-slot-shown': '7: a part of a fresh slot shows what was there before',
  'generation-not-sealed': 'that what is written behind a snapshot is kept apart from what it has',
  'shared-forgotten': 'that what a snapshot has is neither written to nor freed by its volume',
  'freed-though-kept': 'that a snapshot that is deleted leaves what others have of it',
  'cursor-not-committed': 'that a deletion moves its cursor with what it frees',
  'packed-punched': 'that what is compressed keeps its room as long as anybody has any of it',
  'record-log-not-synced': '12: a commit is answered before the log of records has it',
  'snapshot-not-synced': 'that a snapshot is durable when it is answered',
  'origin-forgotten': 'that a clone is flat when it has nothing of its origin',
  'snapshots-apart': 'that snapshots of several volumes are of one instant',
  'flush-answered-early': 'that what was flushed is durable when the flush is answered',
  'tail-not-cleared': '8: what is cut off is zeros when the size grows again',
  'checksums-not-compared': 'that what is read fits its checksum',
};

async function findsOut(broken: BrokenRule): Promise<number | undefined> {
  const first = long ? 1 : (rarest[broken] ?? 1);
  const runner = new SeedRunner();
  for (let seed = first; seed < first + most; seed += 1) {
    const { problem } = await runner.run({ seed, operations: 200, broken });
    if (problem !== undefined) return seed;
  }
  return undefined;
}

for (const [rule, what] of Object.entries(rules)) {
  test(`a store that breaks rule ${what} is found out`, async (t) => {
    const seed = await findsOut(rule as BrokenRule);
    t.log(`found by seed ${seed}: npm run simulate -- --seed ${seed} --break ${rule}`);
    t.not(seed, undefined);
  });
}

test('the same seed tells the same history', async (t) => {
  const runner = new SeedRunner();
  const first = await runner.run({ seed: 7, operations: 100 });
  const second = await runner.run({ seed: 7, operations: 100 });
  t.deepEqual(second, first);
});
