import { MiB } from '@ashlar/core';
import type { BrokenRule } from '@ashlar/store';
import { SeededRandom, testAsRoot } from '@ashlar/testing';
import test from 'ava';
import { loopTools, why } from '../clients/loop-device.ts';
import { directory, long } from '../clients/served.ts';
import { copyDisk, cutsOf, makeDisk, type Cut } from './cuts.ts';
import { ext4, poolWith, record, xfs, type FileSystem } from './power.ts';

const testHere = testAsRoot(test, ...loopTools);

const limitMs = long ? 3_600_000 : 300_000;

/** How many times each volume is changed in a session. */
const changes = 300;

/** What the recording disk's process may take, however much it is sent. */
const mostMemoryKiB = (256 * MiB) / 1024;

/** Each session goes on with the disk as the last cut of the one before it left it. */
const plans: readonly { readonly fileSystem: FileSystem; readonly sessions: number; readonly cutsEach: number }[] = long
  ? [
      { fileSystem: ext4, sessions: 20, cutsEach: 25 },
      { fileSystem: xfs, sessions: 4, cutsEach: 25 },
    ]
  : [{ fileSystem: ext4, sessions: 2, cutsEach: 13 }];

for (const { fileSystem, sessions, cutsEach } of plans) {
  const count = sessions * cutsEach;
  testHere(
    `in ${fileSystem.name} all that was promised is there after each of ${count} cuts of the power, and nothing but old or new${why}`,
    async (t) => {
      t.timeout(limitMs);
      const cwd = directory(t);
      makeDisk(cwd);
      for (let session = 0; session < sessions; session += 1) {
        const seed = Date.now() % 2 ** 31;
        await copyDisk(cwd, 'disk', 'durable');
        const earlier = session * changes;
        const subject = poolWith({ seed, earlier, changes });
        const memoryKiB = await record({ cwd, seed, subject, ...(session === 0 ? { fileSystem } : {}) });
        t.true(memoryKiB > 0 && memoryKiB < mostMemoryKiB, `the recording disk took ${memoryKiB} KiB`);
        const cuts = cutsOf(cwd, fileSystem, subject, cutsEach, new SeededRandom(seed));
        for await (const { position, left, wrong } of cuts) {
          t.is(wrong, '', `the cut at ${position} of session ${session}, ${left}`);
        }
        await copyDisk(cwd, 'next', 'disk');
      }
    },
  );
}

/** Cuts a store that breaks a rule until one shows something wrong. */
async function findsOut(cwd: string, broken: BrokenRule): Promise<Cut | undefined> {
  for (let session = 0; session < 4; session += 1) {
    const seed = Date.now() % 2 ** 31;
    makeDisk(cwd);
    await copyDisk(cwd, 'disk', 'durable');
    const subject = poolWith({ seed, earlier: 0, changes, broken });
    await record({ cwd, seed, subject, fileSystem: ext4 });
    for await (const cut of cutsOf(cwd, ext4, subject, 30, new SeededRandom(seed))) if (cut.wrong !== '') return cut;
  }
  return undefined;
}

/** What no kill of a process would ever show: the page cache survives it. */
const rules = {
  'flush-skips-data': 'syncs the journal in a flush and not the data that it names',
  'snapshot-not-synced': 'answers a snapshot before it is durable',
} as const;

for (const [rule, what] of Object.entries(rules)) {
  testHere(`a store that ${what} is found out by a cut of the power${why}`, async (t) => {
    t.timeout(limitMs);
    const cut = await findsOut(directory(t), rule as BrokenRule);
    t.log(cut);
    t.not(cut, undefined);
  });
}
