import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { packedChange, recordKey } from './keys.ts';
import { openLmdb } from './lmdb.ts';
import { walkCopy, walkRecords } from './walk.ts';

const pageBytes = 4096;
const needle = 'a value that is easily found';
const never = new AbortController().signal;

function directory(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'ashlar-walk-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

/** A database of some pages. */
async function make(path: string) {
  const records = openLmdb(join(path, 'records'));
  const changes = Array.from({ length: 1000 }, (_, index) =>
    packedChange(recordKey(1, Buffer.from(`key ${index}`)), index === 500 ? needle : 'x'.repeat(40)),
  );
  await records.commit(changes);
  return records;
}

/** A copy of a database with other bytes. */
function damaged(path: string, change: (bytes: Buffer) => void): string {
  const bytes = readFileSync(join(path, 'records/data.mdb'));
  change(bytes);
  mkdirSync(join(path, 'damaged'));
  writeFileSync(join(path, 'damaged/data.mdb'), bytes);
  return join(path, 'damaged');
}

test('every record of a database that is open is looked at, and the copy is gone afterwards', async (t) => {
  const path = directory(t);
  const records = await make(path);
  t.like(await walkRecords(records, path, never), { records: 1000, damaged: 0 });
  t.deepEqual(readdirSync(path), ['records']);
  await records.close();
});

test('a value that is not as it was written is counted', async (t) => {
  const path = directory(t);
  await (await make(path)).close();
  const copy = damaged(path, (bytes) => {
    for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle)) bytes.write('A', at);
  });
  t.like(await walkCopy(copy, never), { records: 1000, damaged: 1 });
});

test('pages that the library cannot bear end the process that reads them, and not this one', async (t) => {
  const path = directory(t);
  await (await make(path)).close();
  // The flags and bounds in the header of each page behind the two that begin the file.
  const copy = damaged(path, (bytes) => {
    for (let page = 2; page < bytes.length / pageBytes; page += 1)
      bytes.fill(0x41, page * pageBytes + 18, page * pageBytes + 24);
  });
  const found = await walkCopy(copy, never);
  t.is(found?.damaged, 1);
  t.regex(found?.reason ?? '', /^there is no getting to the end of the pool's database: /);
});

test('what cannot be copied is no damage', async (t) => {
  const path = directory(t);
  const records = await make(path);
  const found = await walkRecords(records, join(path, 'nowhere'), never);
  t.is(found?.damaged, 0);
  t.regex(found?.reason ?? '', /^the records could not be looked at: /);
  await records.close();
});

test('a look that is ended ends', async (t) => {
  const path = directory(t);
  const records = await make(path);
  const ended = new AbortController();
  const looking = walkRecords(records, path, ended.signal);
  ended.abort();
  t.is(await looking, undefined);
  t.deepEqual(readdirSync(path), ['records']);
  await records.close();
});
