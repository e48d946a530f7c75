import { nothingSet } from '../codec/types.ts';
import { fileType, status } from '../codec/constants.ts';
import { procedures } from '../codec/procedures.ts';
import { area, rfc1813, robustness, type Check } from './check.ts';
import { expect, same } from './outcome.ts';
import type { Place } from './place.ts';
import { named } from './samples.ts';
import type { Session } from './session.ts';

const readdir = area('readdir', rfc1813);
const plus = area('readdirplus', rfc1813);
const { readDirectory, readDirectoryPlus } = procedures;
const noVerifier = Buffer.alloc(8);

/** What READDIRPLUS is asked for the beginning of a small directory. */
const firstPage = ({ directory }: Place) => ({
  directory,
  cookie: 0n,
  verifier: noVerifier,
  directoryBytes: 8192,
  mostBytes: 8192,
});

const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `file ${at}`);

async function fill(place: Place, count: number): Promise<string[]> {
  const all = names(count);
  for (let at = 0; at < count; at += 50) await Promise.all(all.slice(at, at + 50).map((name) => place.file(name)));
  return all;
}

type Entry = { readonly name: string; readonly cookie: bigint; readonly fileId: bigint };

/** Entries from a cookie on, of one reply. */
async function page(
  session: Session,
  directory: Uint8Array,
  cookie: bigint,
  count: number,
  verifier: Uint8Array = noVerifier,
) {
  const found = await session.ok(readDirectory, { directory, cookie, verifier, count });
  const entries = found.entries.map((each): Entry => ({ ...each, name: Buffer.from(each.name).toString() }));
  return { entries, isEnd: found.isEnd, verifier: found.verifier, after: found.directoryAfter };
}

export const listChecks: readonly Check[] = [
  readdir.must('empty', 'An empty directory has `.` and `..` at the most', '3.3.16', async (place) => {
    const { entries, isEnd } = await page(place.session, place.directory, 0n, 4096);
    expect(isEnd, 'it has no end');
    expect(
      entries.every(({ name }) => name === '.' || name === '..'),
      `it has ${entries.map(({ name }) => name).join(', ')}`,
    );
  }),
  readdir.should('dots', '`.` and `..` are there, with their numbers', '3.3.16', async (place) => {
    const { entries } = await page(place.session, place.directory, 0n, 4096);
    const own = entries.find(({ name }) => name === '.');
    expect(own !== undefined && entries.some(({ name }) => name === '..'), 'they are not');
    same(own.fileId, (await place.attributes(place.directory)).fileId, 'the number of `.`');
  }),
  readdir.must('all', 'Everything is listed once, in replies of any size', '3.3.16', async (place) => {
    const all = await fill(place, 300);
    for (const count of [512, 1000, 4096, 32_768]) {
      same((await place.list(place.directory, count)).toSorted(), all.toSorted(), `in replies of ${count} bytes`);
    }
  }),
  readdir.must('ids', 'Numbers are those that GETATTR tells', '3.3.16', async (place) => {
    await place.file('one');
    await place.makeDirectory('two');
    const { entries } = await page(place.session, place.directory, 0n, 4096);
    for (const name of ['one', 'two']) {
      const { fileId } = await place.attributes(await place.lookup(name));
      same(entries.find((each) => each.name === name)?.fileId, fileId, `the number of '${name}'`);
    }
  }),
  readdir.must('cookies', 'From the cookie of each entry on come those behind it', '3.3.16', async (place) => {
    await fill(place, 40);
    const { entries, verifier } = await page(place.session, place.directory, 0n, 32_768);
    for (const [at, entry] of entries.entries()) {
      const rest = await page(place.session, place.directory, entry.cookie, 32_768, verifier);
      same(
        rest.entries.map(({ name }) => name),
        entries.slice(at + 1).map(({ name }) => name),
        `behind '${entry.name}'`,
      );
    }
  }),
  readdir.must('bound', 'A reply is no larger than was asked for', '3.3.16', async (place) => {
    await fill(place, 100);
    for (const count of [512, 1024, 2048]) {
      const { entries } = await page(place.session, place.directory, 0n, count);
      const size = entries.reduce((sum, { name }) => sum + 24 + name.length + (-name.length & 3), 0);
      expect(size <= count, `entries of ${size} bytes came where ${count} were asked for`);
      expect(entries.length > 0, 'none came');
    }
  }),
  readdir.must('too-small', 'Where the first entry has no room it is TOOSMALL', '3.3.16', async (place) => {
    await place.file('n'.repeat(200));
    for (const count of [0, 1, 16]) {
      const args = { directory: place.directory, cookie: 0n, verifier: noVerifier, count };
      await place.session.fails(readDirectory, args, status.tooSmall, status.invalid);
    }
  }),
  readdir.must('not-a-directory', 'A file is not listed: NOTDIR', '3.3.16', async (place) => {
    const args = { directory: await place.file(), cookie: 0n, verifier: noVerifier, count: 4096 };
    await place.session.fails(readDirectory, args, status.notDirectory);
  }),
  readdir.must(
    'bad-cookie',
    'A cookie that was never given costs nothing but an error, or the end',
    '3.3.16',
    async (place) => {
      await fill(place, 20);
      for (const cookie of [3n, 2n ** 40n + 7n, 2n ** 63n, 2n ** 64n - 1n]) {
        const args = { directory: place.directory, cookie, verifier: noVerifier, count: 4096 };
        await place.session.call(readDirectory, args);
      }
      same((await place.list()).length, 20, 'what is listed afterwards');
    },
  ),
  readdir.must('removed-behind', 'What was listed may be removed without losing others', robustness, async (place) => {
    const all = await fill(place, 300);
    const found: string[] = [];
    let cookie = 0n;
    let verifier: Uint8Array = noVerifier;
    for (let isEnd = false; !isEnd;) {
      const listed = await page(place.session, place.directory, cookie, 1024, verifier);
      for (const { cookie: own, name } of listed.entries) {
        cookie = own;
        if (name === '.' || name === '..') continue;
        found.push(name);
        await place.session.ok(procedures.remove, { directory: place.directory, name: named(name) });
      }
      ({ isEnd, verifier } = listed);
    }
    same(found.toSorted(), all.toSorted(), 'what was listed');
    same(await place.list(), [], 'what is left');
  }),
  readdir.must(
    'changed-meanwhile',
    'What is there throughout is listed once, whatever is made and removed meanwhile',
    robustness,
    async (place) => {
      const all = await fill(place, 200);
      const other = await place.as();
      let isOver = false;
      const changing = (async () => {
        for (let at = 0; !isOver; at += 1) {
          const args = { directory: place.directory, name: named(`other ${at}`) };
          await other.ok(procedures.create, { ...args, how: { mode: 'guarded', attributes: nothingSet } });
          await other.ok(procedures.remove, args);
        }
      })();
      try {
        for (let count = 0; count < 10; count += 1) {
          const listed = (await place.list(place.directory, 1024)).filter((name) => name.startsWith('file'));
          same(listed.toSorted(), all.toSorted(), 'what is listed');
        }
      } finally {
        isOver = true;
      }
      await changing;
    },
  ),
  readdir.should(
    'verifier',
    'A cookie is good with the verifier that came with it, whatever was changed since',
    robustness,
    async (place) => {
      await fill(place, 50);
      const first = await page(place.session, place.directory, 0n, 1024);
      await place.file('another');
      await page(place.session, place.directory, first.entries.at(-1)!.cookie, 1024, first.verifier);
    },
  ),
  readdir.should('attributes', 'The reply has the attributes of the directory', '3.3.16', async (place) => {
    const { after } = await page(place.session, place.directory, 0n, 4096);
    expect(after !== undefined, 'it has none');
  }),
  plus.must('all', 'Everything is listed once, in replies of any size', '3.3.17', async (place) => {
    const all = await fill(place, 200);
    for (const mostBytes of [1024, 4096, 32_768]) {
      const found: string[] = [];
      let cookie = 0n;
      let verifier: Uint8Array = noVerifier;
      for (let isEnd = false; !isEnd;) {
        const args = { directory: place.directory, cookie, verifier, directoryBytes: mostBytes, mostBytes };
        const listed = await place.session.ok(readDirectoryPlus, args);
        for (const each of listed.entries) {
          cookie = each.cookie;
          found.push(Buffer.from(each.name).toString());
        }
        ({ isEnd, verifier } = listed);
      }
      same(
        found.filter((name) => name.startsWith('file')).toSorted(),
        all.toSorted(),
        `in replies of ${mostBytes} bytes`,
      );
    }
  }),
  plus.must('same', 'Handles and attributes are those that LOOKUP and GETATTR tell', '3.3.17', async (place) => {
    await place.file('one');
    await place.makeDirectory('two');
    const { entries } = await place.session.ok(readDirectoryPlus, firstPage(place));
    for (const { attributes, fileId, handle, name } of entries) {
      const text = Buffer.from(name).toString();
      if (text === '.' || text === '..') continue;
      if (handle !== undefined) same(handle, await place.lookup(text), `the handle of '${text}'`);
      if (attributes === undefined) continue;
      same(attributes.fileId, fileId, `the number of '${text}'`);
      same(attributes.type, text === 'one' ? fileType.regular : fileType.directory, `the type of '${text}'`);
    }
  }),
  plus.should('there', 'Handles and attributes are there', '3.3.17', async (place) => {
    await place.file('one');
    const { entries } = await place.session.ok(readDirectoryPlus, firstPage(place));
    const found = entries.find(({ name }) => Buffer.from(name).toString() === 'one');
    expect(found?.handle !== undefined && found.attributes !== undefined, 'they are not');
  }),
  plus.must('too-small', 'Where the first entry has no room it is TOOSMALL', '3.3.17', async (place) => {
    const args = { directory: place.directory, cookie: 0n, verifier: noVerifier, directoryBytes: 8, mostBytes: 8 };
    await place.session.fails(readDirectoryPlus, args, status.tooSmall, status.invalid);
  }),
  plus.must('cookies', 'Its cookies are those of READDIR', robustness, async (place) => {
    await fill(place, 30);
    const args = {
      directory: place.directory,
      cookie: 0n,
      verifier: noVerifier,
      directoryBytes: 32_768,
      mostBytes: 32_768,
    };
    const one = await place.session.ok(readDirectoryPlus, args);
    const other = await page(place.session, place.directory, 0n, 32_768);
    same(
      one.entries.map(({ cookie }) => cookie),
      other.entries.map(({ cookie }) => cookie),
      'the cookies',
    );
  }),
];
