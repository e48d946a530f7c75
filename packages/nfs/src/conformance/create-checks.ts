import { fileType, status } from '../codec/constants.ts';
import { procedures } from '../codec/procedures.ts';
import { nothingSet, type CreateHow, type NewAttributes } from '../codec/types.ts';
import { area, rfc1813, type Check } from './check.ts';
import { expect, same, Skipped } from './outcome.ts';
import type { Place } from './place.ts';
import { bytes, named, owner } from './samples.ts';

const create = area('create', rfc1813);
const mkdir = area('mkdir', rfc1813);
const symlink = area('symlink', rfc1813);
const mknod = area('mknod', rfc1813);
const { create: creating, makeDirectory, makeLink, makeNode } = procedures;

const how = (mode: 'unchecked' | 'guarded', attributes: Partial<NewAttributes> = {}): CreateHow => ({
  mode,
  attributes: { ...nothingSet, mode: 0o644, ...attributes },
});
const exclusive = (seed: number): CreateHow => ({ mode: 'exclusive', verifier: bytes(8, seed) });

const inIt = (place: Place, name = 'file') => ({ directory: place.directory, name: named(name) });

export const createChecks: readonly Check[] = [
  create.must('guarded', 'GUARDED makes a file, and fails with EXIST where there is one', '3.3.8', async (place) => {
    await place.session.ok(creating, { ...inIt(place), how: how('guarded') });
    await place.session.fails(creating, { ...inIt(place), how: how('guarded') }, status.exists);
  }),
  create.must('unchecked', 'UNCHECKED takes a file that is there, with what it has', '3.3.8', async (place) => {
    const handle = await place.file('file', bytes(100), 0o640);
    await place.session.ok(creating, { ...inIt(place), how: how('unchecked', { mode: undefined }) });
    same(await place.lookup('file'), handle, 'its handle');
    same(await place.read(handle), bytes(100), 'its bytes');
  }),
  create.must('unchecked-size', 'UNCHECKED with a size of 0 empties it', '3.3.8', async (place) => {
    const handle = await place.file('file', bytes(100));
    await place.session.ok(creating, { ...inIt(place), how: how('unchecked', { sizeBytes: 0, mode: undefined }) });
    same((await place.attributes(handle)).sizeBytes, 0, 'its size');
  }),
  create.must(
    'exclusive',
    'EXCLUSIVE makes a file, and finds it where the same call comes again',
    '3.3.8',
    async (place) => {
      const first = await place.session.ok(creating, { ...inIt(place), how: exclusive(1) });
      const other = await place.as();
      const again = await other.ok(creating, { ...inIt(place), how: exclusive(1) });
      if (first.handle !== undefined && again.handle !== undefined) same(again.handle, first.handle, 'the handle');
    },
  ),
  create.must('exclusive-other', 'EXCLUSIVE with another verifier is EXIST', '3.3.8', async (place) => {
    await place.session.ok(creating, { ...inIt(place), how: exclusive(1) });
    await place.session.fails(creating, { ...inIt(place), how: exclusive(2) }, status.exists);
  }),
  create.must('exclusive-bits', 'Each bit of the verifier counts', '3.3.8', async (place) => {
    const verifier = bytes(8, 1);
    await place.session.ok(creating, { ...inIt(place), how: { mode: 'exclusive', verifier } });
    for (let bit = 0; bit < 64; bit += 1) {
      const wrong = Buffer.from(verifier);
      wrong[bit >> 3] = wrong[bit >> 3]! ^ (1 << (bit & 7));
      await place.session.fails(
        creating,
        { ...inIt(place), how: { mode: 'exclusive', verifier: wrong } },
        status.exists,
      );
    }
  }),
  create.must(
    'exclusive-existing',
    'EXCLUSIVE does not take a file that was made otherwise',
    '3.3.8',
    async (place) => {
      await place.file('file');
      await place.session.fails(creating, { ...inIt(place), how: exclusive(1) }, status.exists);
    },
  ),
  create.must(
    'exclusive-attributes',
    'A file that was made so gets its attributes by SETATTR',
    '3.3.8',
    async (place) => {
      const handle = await place.made(place.session.ok(creating, { ...inIt(place), how: exclusive(1) }), 'file');
      const attributes = { ...nothingSet, mode: 0o640, accessed: 'now', modified: 'now' } as const;
      await place.session.ok(procedures.setAttributes, { handle, attributes, guard: undefined });
      same((await place.attributes(handle)).mode & 0o777, 0o640, 'its mode');
    },
  ),
  create.must('attributes', 'A file has the attributes that were asked for', '3.3.8', async (place) => {
    const modified = { seconds: 1_000_000_000, nanoseconds: 0 };
    const asked = how('guarded', { mode: 0o751, sizeBytes: 5000, modified });
    const handle = await place.made(place.session.ok(creating, { ...inIt(place), how: asked }), 'file');
    const found = await place.attributes(handle);
    same([found.mode & 0o7777, found.sizeBytes], [0o751, 5000], 'its mode and its size');
    return found.modified.seconds === modified.seconds ? undefined : 'the time of modification was not taken';
  }),
  create.must('directory', 'What is a directory is not made a file', '3.3.8', async (place) => {
    await place.makeDirectory('file');
    for (const each of [how('guarded'), how('unchecked'), exclusive(1)]) {
      await place.session.fails(creating, { ...inIt(place), how: each }, status.exists, status.isDirectory);
    }
  }),
  create.must('dots', '`.` and `..` are not made', '3.3.8', async (place) => {
    for (const name of ['.', '..']) {
      const args = { ...inIt(place, name), how: how('guarded') };
      await place.session.fails(creating, args, status.exists, status.isDirectory, status.invalid, status.access);
    }
  }),
  create.must('not-a-directory', 'In a file nothing is made: NOTDIR', '3.3.8', async (place) => {
    const args = { directory: await place.file(), name: named('x'), how: how('guarded') };
    await place.session.fails(creating, args, status.notDirectory);
  }),
  create.must(
    'weak-cache',
    'The directory was changed, and the reply says so where it says anything',
    '2.6',
    async (place) => {
      const before = await place.attributes(place.directory);
      const { directoryChange } = await place.session.ok(creating, { ...inIt(place), how: how('guarded') });
      const after = await place.attributes(place.directory);
      expect(
        after.changed.seconds !== before.changed.seconds || after.changed.nanoseconds !== before.changed.nanoseconds,
        'its time of change stays',
      );
      if (directoryChange.before !== undefined) same(directoryChange.before.changed, before.changed, 'what was before');
      if (directoryChange.after !== undefined) same(directoryChange.after.changed, after.changed, 'what is behind');
    },
  ),
  create.should('handle', 'The reply has the handle and the attributes', '3.3.8', async (place) => {
    const { after, handle } = await place.session.ok(creating, { ...inIt(place), how: how('guarded') });
    expect(handle !== undefined, 'it has no handle');
    expect(after !== undefined, 'it has no attributes');
  }),
  create.must('race', 'Of many that make one file GUARDED only one does', '3.3.8', async (place) => {
    const sessions = await Promise.all(Array.from({ length: 10 }, () => place.as()));
    const made = await Promise.all(
      sessions.map((session) => session.call(creating, { ...inIt(place), how: how('guarded') })),
    );
    same(made.filter((each) => each.status === status.ok).length, 1, 'how many did');
    expect(
      made.every((each) => each.status === status.ok || each.status === status.exists),
      'some failed otherwise',
    );
  }),
  mkdir.must('made', 'A directory is made, with its mode and owner', '3.3.9', async (place) => {
    const found = await place.attributes(await place.makeDirectory('directory', 0o751));
    same([found.type, found.mode & 0o777, found.uid], [fileType.directory, 0o751, owner.uid], 'its attributes');
  }),
  mkdir.must('exists', 'Where something has the name it is EXIST', '3.3.9', async (place) => {
    await place.file('file');
    await place.makeDirectory('directory');
    for (const name of ['file', 'directory']) {
      await place.session.fails(makeDirectory, { ...inIt(place, name), attributes: nothingSet }, status.exists);
    }
  }),
  mkdir.must('links', 'The one that it is in has a name more', '3.3.9', async (place) => {
    const before = await place.attributes(place.directory);
    await place.makeDirectory('directory');
    const after = await place.attributes(place.directory);
    return after.links === before.links + 1 ? undefined : 'the server does not count directories as names';
  }),
  mkdir.must('dots', '`.` and `..` are not made', '3.3.9', async (place) => {
    for (const name of ['.', '..']) {
      const args = { ...inIt(place, name), attributes: nothingSet };
      await place.session.fails(makeDirectory, args, status.exists, status.invalid, status.access);
    }
  }),
  mkdir.must('empty', 'A new directory is empty', '3.3.9', async (place) => {
    same(await place.list(await place.makeDirectory()), [], 'what is in it');
  }),
  mkdir.must('set-group-id', 'In a directory with set-group-id what is made has its group', '2.6', async (place) => {
    const root = await place.root();
    const handle = await place.makeDirectory('shared', 0o777);
    const attributes = { ...nothingSet, gid: 7777 };
    await root.ok(procedures.setAttributes, { handle, attributes, guard: undefined });
    await root.ok(procedures.setAttributes, { handle, attributes: { ...nothingSet, mode: 0o2777 }, guard: undefined });
    const args = { directory: handle, name: named('file'), how: how('guarded') };
    const file = await place.made(place.session.ok(creating, args), 'file', handle);
    same((await place.attributes(file)).gid, 7777, 'its group');
  }),
  symlink.must('made', 'A link is made, with its text', '3.3.10', async (place) => {
    const args = { ...inIt(place, 'link'), attributes: nothingSet, text: named('../some/where') };
    const handle = await place.made(place.session.ok(makeLink, args), 'link');
    same((await place.attributes(handle)).type, fileType.link, 'its type');
    const { text } = await place.session.ok(procedures.readLink, { handle });
    same(Buffer.from(text).toString(), '../some/where', 'its text');
  }),
  symlink.must('exists', 'Where something has the name it is EXIST', '3.3.10', async (place) => {
    await place.file('file');
    await place.session.fails(makeLink, { ...inIt(place), attributes: nothingSet, text: named('x') }, status.exists);
  }),
  symlink.should('long', 'A text that is too long is refused', '3.3.10', async (place) => {
    const args = { ...inIt(place, 'link'), attributes: nothingSet, text: Buffer.alloc(5000, 'x') };
    const { status: found } = await place.session.call(makeLink, args);
    const isRefused = found === status.nameTooLong || found === status.invalid;
    expect(isRefused || found === status.ok, `it is ${found}`);
    return isRefused ? undefined : 'a text of 5000 bytes is taken';
  }),
  mknod.must('fifo', 'Fifos and sockets are made', '3.3.11', async (place) => {
    for (const type of [fileType.fifo, fileType.socket]) {
      const node = { type, attributes: { ...nothingSet, mode: 0o600 }, device: undefined };
      const { ok, status: found } = await place.session.call(makeNode, { ...inIt(place, `node${type}`), node });
      if (found === status.notSupported) throw new Skipped('the server makes none');
      same(found, status.ok, 'the status');
      const handle = ok?.handle ?? (await place.lookup(`node${type}`));
      same((await place.attributes(handle)).type, type, 'its type');
    }
  }),
  mknod.must('device', 'Root makes devices, with their numbers', '3.3.11', async (place) => {
    const root = await place.root();
    for (const type of [fileType.block, fileType.character]) {
      const node = { type, attributes: { ...nothingSet, mode: 0o600 }, device: { major: 259, minor: 70_000 } };
      const made = await root.call(makeNode, { ...inIt(place, `node${type}`), node });
      if (made.status === status.notSupported) throw new Skipped('the server makes none');
      same(made.status, status.ok, 'the status');
      const found = await place.attributes(await place.lookup(`node${type}`));
      same([found.type, found.device], [type, { major: 259, minor: 70_000 }], 'its type and its numbers');
    }
  }),
  mknod.must('device-of-others', 'Nobody else makes devices', '3.3.11', async (place) => {
    const node = { type: fileType.block, attributes: nothingSet, device: { major: 8, minor: 0 } };
    await place.session.fails(makeNode, { ...inIt(place), node }, status.notOwner, status.access, status.notSupported);
  }),
  mknod.must('bad-type', 'Files, directories and links are not made so: BADTYPE', '3.3.11', async (place) => {
    for (const type of [fileType.regular, fileType.directory, fileType.link]) {
      const args = { ...inIt(place), node: { type, attributes: undefined, device: undefined } };
      await place.session.fails(makeNode, args, status.badType, status.invalid);
    }
  }),
];
