import { chownSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { testAsRoot } from '@ashlar/testing';
import test from 'ava';
import { directory, run, type Ended } from './command.ts';

/** The shortest command, with the variables that choose where compiled code is kept. */
function version(more: Record<string, string>): Promise<Ended> {
  const none = { NODE_COMPILE_CACHE: undefined, NODE_DISABLE_COMPILE_CACHE: undefined, XDG_CACHE_HOME: undefined };
  return run(['--version'], { ...none, ...more });
}

/** Files below a directory. */
function files(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true }).flatMap((each) =>
    each.isFile() ? [each.name] : [],
  );
}

test("compiled code is kept in the user's cache directory", async (t) => {
  const home = directory(t);
  t.is((await version({ HOME: home })).status, 0);
  t.true(files(join(home, '.cache', 'ashlar')).length > 0);
  const other = directory(t);
  t.is((await version({ HOME: home, XDG_CACHE_HOME: other })).status, 0);
  t.true(files(join(other, 'ashlar')).length > 0);
});

test('NODE_COMPILE_CACHE names another directory', async (t) => {
  const home = directory(t);
  const named = directory(t);
  t.is((await version({ HOME: home, NODE_COMPILE_CACHE: named })).status, 0);
  t.true(files(named).length > 0);
  t.deepEqual(files(home), []);
});

test('NODE_DISABLE_COMPILE_CACHE keeps nothing', async (t) => {
  const home = directory(t);
  t.is((await version({ HOME: home, NODE_DISABLE_COMPILE_CACHE: '1' })).status, 0);
  t.deepEqual(files(home), []);
});

test('a cache that cannot be written is no failure', async (t) => {
  const home = directory(t);
  writeFileSync(join(home, '.cache'), '');
  for (const place of [{ HOME: home }, { HOME: join(home, 'nowhere') }, { XDG_CACHE_HOME: '/proc' }]) {
    const { status, errors } = await version(place);
    t.is(status, 0);
    t.is(errors, '');
  }
});

testAsRoot(test)("nothing is kept in another user's directory", async (t) => {
  const home = directory(t);
  chownSync(home, 65534, 65534);
  t.is((await version({ HOME: home })).status, 0);
  t.deepEqual(files(home), []);
});
