import { SeededRandom, testAsRoot } from '@ashlar/testing';
import test from 'ava';
import { loopTools, why } from '../clients/loop-device.ts';
import { directory, long } from '../clients/served.ts';
import { copyDisk, cutsOf, makeDisk, type Cut } from './cuts.ts';
import type { DirectoryFault } from './directory-faults.ts';
import { directoryWith, ext4, record, xfs, type FileSystem } from './power.ts';

const testHere = testAsRoot(test, ...loopTools);

const limitMs = long ? 3_600_000 : 300_000;

/** How many times each client changes something in a session. */
const changes = long ? 250 : 60;

type Plan = {
  readonly fileSystem: FileSystem;
  readonly handles: 'kernel' | 'table';
  readonly sessions: number;
  readonly cutsEach: number;
};

/** Each session begins with a new disk. */
const plans: readonly Plan[] = long
  ? [ext4, xfs].flatMap((fileSystem) =>
      (['kernel', 'table'] as const).map((handles) => ({ fileSystem, handles, sessions: 5, cutsEach: 25 })),
    )
  : [{ fileSystem: ext4, handles: 'table', sessions: 1, cutsEach: 3 }];

/** Cuts of one session. */
async function* session(
  cwd: string,
  { fileSystem, handles }: Pick<Plan, 'fileSystem' | 'handles'>,
  count: number,
  fault?: DirectoryFault,
): AsyncGenerator<Cut> {
  const seed = Date.now() % 2 ** 31;
  const subject = directoryWith({ seed, changes, handles, ...(fault === undefined ? {} : { fault }) });
  makeDisk(cwd);
  await copyDisk(cwd, 'disk', 'durable');
  await record({ cwd, fileSystem, seed, subject });
  yield* cutsOf(cwd, fileSystem, subject, count, new SeededRandom(seed));
}

for (const plan of plans) {
  const { cutsEach, fileSystem, handles, sessions } = plan;
  const which = handles === 'kernel' ? 'handles of the kernel' : 'handles on record';
  testHere(
    `all that was answered of a directory on ${fileSystem.name} is there after each of ${sessions * cutsEach} cuts of the power, and found by ${which}${why}`,
    async (t) => {
      t.timeout(limitMs);
      const cwd = directory(t);
      for (let number = 0; number < sessions; number += 1) {
        for await (const { left, position, wrong } of session(cwd, plan, cutsEach)) {
          t.is(wrong, '', `the cut at ${position} of session ${number}, ${left}`);
        }
      }
    },
  );
}

/** What no kill of a process would ever show. */
const faults: Readonly<Record<DirectoryFault, string>> = {
  'names-late': 'answers before names and attributes are durable',
  'writes-late': 'answers writes that are to be durable before they are',
  'commits-late': 'answers a commit before what was written is durable',
  'table-late': 'gives handles before they are durable on record',
};

if (long) {
  for (const [fault, what] of Object.entries(faults)) {
    testHere(`a server of a directory that ${what} is found out by a cut of the power${why}`, async (t) => {
      t.timeout(limitMs);
      const cwd = directory(t);
      let found: Cut | undefined;
      for (let number = 0; number < 4 && found === undefined; number += 1) {
        const cuts = session(cwd, { fileSystem: ext4, handles: 'table' }, 15, fault as DirectoryFault);
        for await (const cut of cuts) {
          if (cut.wrong !== '') found = cut;
          if (found !== undefined) break;
        }
      }
      t.log(found);
      t.not(found, undefined);
    });
  }
}
