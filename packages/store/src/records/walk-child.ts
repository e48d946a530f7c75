import type { RecordsWalk } from '@ashlar/core';
import { opened } from './keys.ts';
import { openEnvironment } from './lmdb.ts';

/** Reads every record of the database in a directory and prints what it found: a process of its own, which damage may end. */
function walk(directory: string): RecordsWalk {
  const environment = openEnvironment(directory, true);
  const { entryCount } = environment.getStats() as { readonly entryCount: number };
  let records = 0;
  let damaged = 0;
  let last: Buffer | undefined;
  for (const { key, value } of environment.getRange({})) {
    // Pages that point at each other in a ring have no end.
    if (records > entryCount) break;
    records += 1;
    if ((last !== undefined && Buffer.compare(last, key) >= 0) || !isWhole(key, value)) damaged += 1;
    last = Buffer.from(key);
  }
  if (records === entryCount) return { records, damaged, reason: undefined };
  const reason = `the pool's database says that it has ${entryCount} records, and ${records > entryCount ? 'more' : records} are found`;
  return { records, damaged: damaged + Math.abs(entryCount - records), reason };
}

function isWhole(key: Buffer, value: Buffer): boolean {
  try {
    opened(key, value);
    return true;
  } catch {
    return false;
  }
}

try {
  process.stdout.write(JSON.stringify(walk(process.argv[2] ?? '')));
} catch (error) {
  process.stderr.write(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
