import { existsSync, readFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { createRealHost, endProcess } from '@ashlar/host';
import { openPool, PoolInspection } from '@ashlar/store';
import { blockBytes, contents } from '../faults/marked-blocks.ts';
import { Expectation } from './expectation.ts';
import { poolOptions, volumeCount, type LedgerLine } from './ledger.ts';
import { createObject, placeOf, readVolume } from './volume.ts';

/** Opens the pool that a cut left and says what is wrong with it, a line each; nothing where all is well: POOL LEDGER CUT. */
const [path = '', ledgerPath = '', position = '0'] = process.argv.slice(2);

const mostTold = 10;
const host = createRealHost();
const cut = Number(position);
const problems: string[] = [];

function readLedger(): LedgerLine[] {
  const lines = readFileSync(ledgerPath, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as LedgerLine);
}

async function check(when: string): Promise<void> {
  const inspection = PoolInspection.open(host, path);
  const { problems: found, damage, snapshotDamage } = await inspection.check();
  await inspection.close();
  problems.push(...found.map(({ sentence }) => `the check ${when} says: ${sentence}`));
  if (damage.length + snapshotDamage.length > 0) problems.push(`the check ${when} finds damaged blocks`);
}

/** Everything is there that must be, and nothing else; the pool can be used, and is in order afterwards. */
async function verify(): Promise<void> {
  const lines = readLedger();
  const opened = lines.find((line) => line.kind === 'opened');
  if (opened === undefined) throw new Error('the ledger does not say when the pool was opened');
  // Until it was there for the first time nothing was promised.
  const isMade = !opened.isNew || cut >= opened.answered;
  if (isMade || existsSync(join(path, 'ashlar.pool'))) await check('before it is opened');
  const pool = await openPool(host, path, poolOptions);
  const { state, reason, lossGeneration } = await pool.status();
  if (state !== 'ok') problems.push(`the pool is ${state}: ${reason}`);
  const least = opened.lossGeneration + (cut >= opened.answered ? 1 : 0);
  if (isMade && lossGeneration < least) problems.push(`the loss generation is ${lossGeneration}, not ${least}`);
  for (let volume = 0; volume < volumeCount; volume += 1) {
    const store = await pool.openStore(isMade ? opened.volumes[volume]!.store : await pool.createStore());
    const found = await readVolume(store, volume);
    if (isMade) problems.push(...new Expectation(lines, volume, cut).problems(found));
    const object = found.object ?? (await createObject(store));
    await store.write(object, 0, contents(1, placeOf(volume, 0), 100), false);
    await store.snapshot();
    await store.write(object, 50 * blockBytes, contents(2, placeOf(volume, 50), 100), true);
  }
  await pool.close();
  await check('after it was used and closed');
}

try {
  await verify();
} catch (error) {
  problems.push(String(error));
}
for (const problem of problems.slice(0, mostTold)) console.log(problem);
// The next one need not compile what this one did: an end such as this keeps nothing by itself.
flushCompileCache();
// A pool that failed may still be open.
endProcess(0);
