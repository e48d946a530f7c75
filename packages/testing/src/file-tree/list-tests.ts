import type { FileHandle, FileTree } from '@ashlar/core';
import { SeededRandom } from '../seeded-random.ts';
import { by, kindOf, named, user, type TreeCheck } from './subject.ts';

const file = { mode: 'guarded', attributes: { mode: 0o644 } } as const;

type Listed = { readonly name: string; readonly cookie: bigint; readonly handle: FileHandle | undefined };

/** Names behind a cookie, so many at once. `between`: what happens between two calls. */
async function list(
  tree: FileTree,
  directory: FileHandle,
  most: number,
  between: () => Promise<unknown> = () => Promise.resolve(),
  withAttributes = false,
): Promise<Listed[]> {
  const found: Listed[] = [];
  for (;;) {
    const { entries, isEnd } = await tree.list(directory, found.at(-1)?.cookie ?? 0n, most, withAttributes, user);
    for (const { cookie, found: each, name } of entries) {
      found.push({ name: Buffer.from(name).toString(), cookie, handle: each?.file });
    }
    if (isEnd) return found;
    if (entries.length === 0) throw new Error('a listing that goes on has something');
    await between();
  }
}

const namesOf = (listed: readonly Listed[]): string[] => listed.map(({ name }) => name).toSorted();

/** Listings of directories. */
export function listTests(check: TreeCheck): void {
  check(
    'a listing has each name once, and itself and what it is in, however many are asked for at once',
    async (t, tree) => {
      const names = Array.from({ length: 100 }, (_, at) => `name ${at}`);
      for (const name of names) await tree.create(tree.root, named(name), file, by(user));
      for (const most of [1, 2, 3, 7, 101, 102, 103, 1000]) {
        const listed = await list(tree, tree.root, most);
        t.deepEqual(namesOf(listed), [...names, '.', '..'].toSorted(), `${most} at once`);
        t.is(new Set(listed.map(({ cookie }) => cookie)).size, 102);
      }
    },
  );

  check('an empty directory has two names', async (t, tree) => {
    const directory = (await tree.makeDirectory(tree.root, named('d'), { mode: 0o755 }, by(user))).file;
    const { directory: attributes, entries, isEnd } = await tree.list(directory, 0n, 10, false, user);
    const listed = new Map(entries.map(({ fileId, name }) => [Buffer.from(name).toString(), fileId]));
    t.deepEqual([...listed.keys()].toSorted(), ['.', '..']);
    t.true(isEnd);
    t.deepEqual(attributes, await tree.getAttributes(directory));
    t.is(listed.get('.'), attributes.fileId);
    t.is(listed.get('..'), (await tree.getAttributes(tree.root)).fileId);
  });

  check('a listing with attributes has of each what it is, and its handle', async (t, tree) => {
    const made = await tree.create(tree.root, named('a'), file, by(user));
    const { entries } = await tree.list(tree.root, 0n, 10, true, user);
    const entry = entries.find(({ name }) => Buffer.from(name).toString() === 'a');
    t.deepEqual(entry?.found?.attributes, await tree.getAttributes(made.file));
    t.deepEqual(Buffer.from(entry!.found!.file), Buffer.from(made.file));
    t.is(entry!.fileId, made.attributes.fileId);
  });

  check('what is there throughout is listed once, whatever is made, removed and renamed meanwhile', async (t, tree) => {
    const random = new SeededRandom(3);
    const stays = Array.from({ length: 80 }, (_, at) => `stays ${at}`);
    for (const name of stays) await tree.create(tree.root, named(name), file, by(user));
    const passing = new Set<string>();
    let count = 0;
    const between = async (): Promise<void> => {
      for (let times = 0; times < 5; times += 1) {
        const [first] = passing;
        if (first !== undefined && random.oneIn(2)) {
          passing.delete(first);
          await tree.remove(tree.root, named(first), by(user));
        } else {
          count += 1;
          passing.add(`passes ${count}`);
          await tree.create(tree.root, named(`passes ${count}`), file, by(user));
        }
      }
    };
    const listed = namesOf(await list(tree, tree.root, 4, between));
    t.deepEqual(
      listed.filter((name) => name.startsWith('stays')),
      stays.toSorted(),
    );
    t.is(new Set(listed).size, listed.length);
  });

  check('a listing goes on behind an entry that is removed, and is emptied while it is listed', async (t, tree) => {
    for (let at = 0; at < 60; at += 1) await tree.create(tree.root, named(`f${at}`), file, by(user));
    let cookie = 0n;
    let removed = 0;
    for (;;) {
      const { entries, isEnd } = await tree.list(tree.root, cookie, 5, false, user);
      for (const entry of entries) {
        cookie = entry.cookie;
        if (entry.name[0] === 0x2e) continue;
        await tree.remove(tree.root, entry.name, by(user));
        removed += 1;
      }
      if (isEnd) break;
    }
    t.is(removed, 60);
    t.is((await tree.list(tree.root, 0n, 10, false, user)).entries.length, 2);
  });

  check('a cookie that was never given is refused', async (t, tree) => {
    t.is(await kindOf(() => tree.list(tree.root, 2n ** 63n, 10, false, user)), 'bad-cookie');
  });
}
