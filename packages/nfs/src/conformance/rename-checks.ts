import { status } from '../codec/constants.ts';
import { procedures } from '../codec/procedures.ts';
import { area, rfc1813, robustness, type Check } from './check.ts';
import { expect, same } from './outcome.ts';
import type { Place } from './place.ts';
import { bytes, named } from './samples.ts';

const rename = area('rename', rfc1813);
const link = area('link', rfc1813);

const to = (directory: Uint8Array, name: string) => ({ directory, name: named(name) });
const renaming = (place: Place, from: string, into: string) => ({
  from: to(place.directory, from),
  to: to(place.directory, into),
});

export const renameChecks: readonly Check[] = [
  rename.must('name', 'A file has another name, the same handle and the same bytes', '3.3.14', async (place) => {
    const handle = await place.file('one', bytes(10));
    await place.session.ok(procedures.rename, renaming(place, 'one', 'other'));
    expect(!(await place.isThere('one')), 'the name before is there');
    same(await place.lookup('other'), handle, 'its handle');
    same(await place.read(handle), bytes(10), 'its bytes');
  }),
  rename.must('over', 'A file that has the name is gone', '3.3.14', async (place) => {
    const handle = await place.file('one', bytes(10, 1));
    const replaced = await place.file('other', bytes(10, 2));
    await place.session.ok(procedures.rename, renaming(place, 'one', 'other'));
    same(await place.lookup('other'), handle, 'its handle');
    await place.session.fails(procedures.getAttributes, { handle: replaced }, status.stale);
    same(await place.list(), ['other'], 'what is listed');
  }),
  rename.must('moved', 'A file is moved to another directory', '3.3.14', async (place) => {
    const handle = await place.file('file');
    const directory = await place.makeDirectory('directory');
    await place.session.ok(procedures.rename, { from: to(place.directory, 'file'), to: to(directory, 'moved') });
    same(await place.lookup('moved', directory), handle, 'its handle');
    same(await place.list(), ['directory'], 'what is listed where it was');
  }),
  rename.must('directory', 'A directory is moved, and `..` of it is the new one', '3.3.14', async (place) => {
    const outer = await place.makeDirectory('outer');
    const handle = await place.makeDirectory('inner');
    await place.session.ok(procedures.rename, { from: to(place.directory, 'inner'), to: to(outer, 'inner') });
    const above = await place.session.ok(procedures.lookup, { directory: handle, name: named('..') });
    same(above.handle, outer, 'the handle of `..`');
  }),
  rename.must('directory-over', 'A directory takes the place of an empty one', '3.3.14', async (place) => {
    const handle = await place.makeDirectory('one');
    await place.makeDirectory('other');
    await place.session.ok(procedures.rename, renaming(place, 'one', 'other'));
    same(await place.lookup('other'), handle, 'its handle');
  }),
  rename.must(
    'directory-over-full',
    'It does not take the place of one with something in it',
    '3.3.14',
    async (place) => {
      await place.makeDirectory('one');
      const full = await place.makeDirectory('other');
      await place.makeDirectory('inner', 0o755, full);
      await place.session.fails(procedures.rename, renaming(place, 'one', 'other'), status.exists, status.notEmpty);
    },
  ),
  rename.must('kinds', 'A directory and a file do not take each other’s place', '3.3.14', async (place) => {
    await place.makeDirectory('directory');
    await place.file('file');
    const wrong = [status.exists, status.notDirectory, status.isDirectory];
    await place.session.fails(procedures.rename, renaming(place, 'directory', 'file'), ...wrong);
    await place.session.fails(procedures.rename, renaming(place, 'file', 'directory'), ...wrong);
  }),
  rename.must('same', 'To give a file the name that it has goes well', '3.3.14', async (place) => {
    const handle = await place.file('file', bytes(10));
    await place.session.ok(procedures.rename, renaming(place, 'file', 'file'));
    same(await place.read(handle), bytes(10), 'its bytes');
  }),
  rename.must('links', 'Two names of one file are renamed over each other without effect', '3.3.14', async (place) => {
    const handle = await place.file('one');
    await place.session.ok(procedures.link, { handle, link: to(place.directory, 'other') });
    await place.session.ok(procedures.rename, renaming(place, 'one', 'other'));
    const { links } = await place.attributes(handle);
    const names = await place.list();
    same(links, names.length, 'its names');
    expect(names.includes('other'), 'the name that was given is not there');
  }),
  rename.must('missing', 'What is not there is NOENT', '3.3.14', async (place) => {
    await place.session.fails(procedures.rename, renaming(place, 'none', 'other'), status.notFound);
  }),
  rename.must('into-itself', 'A directory is not moved into itself', '3.3.14', async (place) => {
    const handle = await place.makeDirectory('one');
    const inner = await place.makeDirectory('inner', 0o755, handle);
    for (const into of [handle, inner]) {
      const args = { from: to(place.directory, 'one'), to: to(into, 'moved') };
      await place.session.fails(procedures.rename, args, status.invalid, status.notEmpty, status.exists);
    }
  }),
  rename.must('dots', '`.` and `..` are not renamed', '3.3.14', async (place) => {
    await place.file('file');
    for (const name of ['.', '..']) {
      const one = await place.session.call(procedures.rename, renaming(place, name, 'other'));
      const other = await place.session.call(procedures.rename, renaming(place, 'file', name));
      expect(one.status !== status.ok && other.status !== status.ok, `'${name}' was renamed, or something to it`);
    }
  }),
  rename.must('weak-cache', 'Both directories are told as they are behind it, where they are', '2.6', async (place) => {
    await place.file('file');
    const directory = await place.makeDirectory('directory');
    const args = { from: to(place.directory, 'file'), to: to(directory, 'file') };
    const { fromChange, toChange } = await place.session.ok(procedures.rename, args);
    if (fromChange.after !== undefined) same(fromChange.after, await place.attributes(place.directory), 'the first');
    if (toChange.after !== undefined) same(toChange.after, await place.attributes(directory), 'the second');
  }),
  rename.must('atomic', 'While a file takes the place of another the name is always there', '3.3.14', async (place) => {
    await place.file('name');
    const other = await place.as();
    let isOver = false;
    const looking = (async () => {
      while (!isOver) {
        const found = await other.call(procedures.lookup, to(place.directory, 'name'));
        expect(found.status === status.ok, `it was not: ${found.status}`);
      }
    })();
    try {
      for (let count = 0; count < 100; count += 1) {
        await place.file('next');
        await place.session.ok(procedures.rename, renaming(place, 'next', 'name'));
      }
    } finally {
      isOver = true;
    }
    await looking;
  }),
  rename.must('handle-open', 'A file that was renamed is read on by its handle', robustness, async (place) => {
    const handle = await place.file('one', bytes(1000));
    for (let count = 0; count < 20; count += 1) {
      const [from, into] = count % 2 === 0 ? ['one', 'two'] : ['two', 'one'];
      await place.session.ok(procedures.rename, renaming(place, from!, into!));
      same((await place.read(handle)).length, 1000, 'its bytes');
    }
  }),
  link.must('made', 'A file has two names, and is one', '3.3.15', async (place) => {
    const handle = await place.file('one', bytes(10));
    await place.session.ok(procedures.link, { handle, link: to(place.directory, 'other') });
    same(await place.lookup('other'), handle, 'its handle');
    same((await place.attributes(handle)).links, 2, 'its names');
    await place.write(handle, 0, bytes(10, 2));
    same(await place.read(await place.lookup('other')), bytes(10, 2), 'its bytes by the other name');
  }),
  link.must('exists', 'Where something has the name it is EXIST', '3.3.15', async (place) => {
    const handle = await place.file('one');
    await place.file('other');
    await place.session.fails(procedures.link, { handle, link: to(place.directory, 'other') }, status.exists);
  }),
  link.should('directory', 'A directory gets no second name', '3.3.15', async (place) => {
    const handle = await place.makeDirectory('directory');
    const { status: found } = await place.session.call(procedures.link, { handle, link: to(place.directory, 'other') });
    expect(found !== status.ok, 'it did');
  }),
  link.must('elsewhere', 'It may be in another directory', '3.3.15', async (place) => {
    const handle = await place.file('one');
    const directory = await place.makeDirectory('directory');
    await place.session.ok(procedures.link, { handle, link: to(directory, 'other') });
    same(await place.lookup('other', directory), handle, 'its handle');
  }),
  link.must('changed', 'A new name is a change of the file', '3.3.15', async (place) => {
    const handle = await place.file('one');
    const before = await place.attributes(handle);
    const { after, directoryChange } = await place.session.ok(procedures.link, {
      handle,
      link: to(place.directory, 'other'),
    });
    const now = await place.attributes(handle);
    expect(
      now.changed.nanoseconds !== before.changed.nanoseconds || now.changed.seconds !== before.changed.seconds,
      'it is none',
    );
    if (after !== undefined) same(after, now, 'the attributes of the file');
    if (directoryChange.after !== undefined) {
      same(directoryChange.after, await place.attributes(place.directory), 'those of the directory');
    }
  }),
  link.must('many', 'As many names as PATHCONF says, or 1,000, are given', '3.3.15', async (place) => {
    const handle = await place.file('file');
    const most = Math.min(place.facts.limits.mostLinks, 1000);
    await Promise.all(
      Array.from({ length: most - 1 }, (_, at) =>
        place.session.ok(procedures.link, { handle, link: to(place.directory, `name${at}`) }),
      ),
    );
    same((await place.attributes(handle)).links, most, 'its names');
  }),
];
