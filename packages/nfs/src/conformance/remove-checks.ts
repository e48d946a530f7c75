import { nothingSet } from '../codec/types.ts';
import { status } from '../codec/constants.ts';
import { procedures } from '../codec/procedures.ts';
import { area, rfc1813, robustness, type Check } from './check.ts';
import { expect, same } from './outcome.ts';
import type { Place } from './place.ts';
import { bytes, named } from './samples.ts';

const remove = area('remove', rfc1813);
const rmdir = area('rmdir', rfc1813);
const { remove: removing, removeDirectory } = procedures;

const inIt = (place: Place, name: string) => ({ directory: place.directory, name: named(name) });

export const removeChecks: readonly Check[] = [
  remove.must('gone', 'What was removed is gone', '3.3.12', async (place) => {
    await place.file('file');
    await place.session.ok(removing, inIt(place, 'file'));
    expect(!(await place.isThere('file')), 'it is there');
    await place.session.fails(removing, inIt(place, 'file'), status.notFound);
  }),
  remove.must('stale', 'The handle of a file that is gone is STALE', '3.3.12', async (place) => {
    const handle = await place.file('file', bytes(100));
    await place.session.ok(removing, inIt(place, 'file'));
    await place.session.fails(procedures.getAttributes, { handle }, status.stale);
    await place.session.fails(procedures.read, { handle, offset: 0, count: 10 }, status.stale);
  }),
  remove.must('stale-for-ever', 'It is also when another file is made in its place', '2.6', async (place) => {
    const handle = await place.file('file');
    await place.session.ok(removing, inIt(place, 'file'));
    for (let count = 0; count < 50; count += 1) await place.file(`file${count}`);
    await place.session.fails(procedures.getAttributes, { handle }, status.stale);
  }),
  remove.must('links', 'A file with another name stays', '3.3.12', async (place) => {
    const handle = await place.file('file', bytes(10));
    await place.session.ok(procedures.link, { handle, link: inIt(place, 'other') });
    await place.session.ok(removing, inIt(place, 'file'));
    same((await place.attributes(handle)).links, 1, 'its names');
    same(await place.read(handle), bytes(10), 'its bytes');
  }),
  remove.must('link', 'Of a symbolic link the link is removed', '3.3.12', async (place) => {
    await place.file('file');
    await place.session.ok(procedures.makeLink, {
      ...inIt(place, 'link'),
      attributes: nothingSet,
      text: named('file'),
    });
    await place.session.ok(removing, inIt(place, 'link'));
    expect(await place.isThere('file'), 'what it leads to is gone');
  }),
  remove.should('directory', 'A directory is not removed so', '3.3.12', async (place) => {
    await place.makeDirectory('directory');
    await place.session.fails(removing, inIt(place, 'directory'), status.isDirectory, status.notOwner, status.access);
    expect(await place.isThere('directory'), 'it is gone');
  }),
  remove.must('not-a-directory', 'In a file nothing is removed: NOTDIR', '3.3.12', async (place) => {
    await place.session.fails(removing, { directory: await place.file(), name: named('x') }, status.notDirectory);
  }),
  remove.must(
    'weak-cache',
    'The directory was changed, and the reply says so where it says anything',
    '2.6',
    async (place) => {
      await place.file('file');
      const before = await place.attributes(place.directory);
      const { directoryChange } = await place.session.ok(removing, inIt(place, 'file'));
      if (directoryChange.before !== undefined) same(directoryChange.before.changed, before.changed, 'what was before');
      if (directoryChange.after !== undefined) {
        same(directoryChange.after, await place.attributes(place.directory), 'what is behind');
      }
    },
  ),
  remove.must('dots', '`.` and `..` are not removed', '3.3.12', async (place) => {
    for (const name of ['.', '..']) {
      const { status: found } = await place.session.call(removing, inIt(place, name));
      expect(found !== status.ok, `'${name}' was removed`);
    }
  }),
  rmdir.must('gone', 'An empty directory is removed', '3.3.13', async (place) => {
    const handle = await place.makeDirectory('directory');
    await place.session.ok(removeDirectory, inIt(place, 'directory'));
    expect(!(await place.isThere('directory')), 'it is there');
    await place.session.fails(procedures.getAttributes, { handle }, status.stale);
  }),
  rmdir.must('not-empty', 'One with something in it is NOTEMPTY', '3.3.13', async (place) => {
    const handle = await place.makeDirectory('directory');
    await place.makeDirectory('inner', 0o755, handle);
    await place.session.fails(removeDirectory, inIt(place, 'directory'), status.notEmpty, status.exists);
  }),
  rmdir.must('file', 'A file is not removed so: NOTDIR', '3.3.13', async (place) => {
    await place.file('file');
    await place.session.fails(removeDirectory, inIt(place, 'file'), status.notDirectory);
  }),
  rmdir.must('dot', '`.` is INVAL', '3.3.13', async (place) => {
    await place.session.fails(removeDirectory, inIt(place, '.'), status.invalid, status.access);
  }),
  rmdir.must('dot-dot', '`..` is EXIST or another error', '3.3.13', async (place) => {
    const { status: found } = await place.session.call(removeDirectory, inIt(place, '..'));
    expect(found !== status.ok, 'it was removed');
  }),
  rmdir.must('missing', 'What is not there is NOENT', '3.3.13', async (place) => {
    await place.session.fails(removeDirectory, inIt(place, 'none'), status.notFound);
  }),
  rmdir.must('inside', 'In a directory that is gone nothing is made', robustness, async (place) => {
    const handle = await place.makeDirectory('directory');
    await place.session.ok(removeDirectory, inIt(place, 'directory'));
    const args = { directory: handle, name: named('file'), how: { mode: 'guarded', attributes: nothingSet } } as const;
    await place.session.fails(procedures.create, args, status.stale, status.notFound);
    await place.session.fails(procedures.lookup, { directory: handle, name: named('file') }, status.stale);
  }),
];
