import { fileSystemBit, fileType, status } from '../codec/constants.ts';
import { procedures } from '../codec/procedures.ts';
import { nothingSet, type NewAttributes, type Time } from '../codec/types.ts';
import { area, rfc1813, robustness, type Check } from './check.ts';
import { expect, same, Skipped } from './outcome.ts';
import type { Place } from './place.ts';
import { bytes, named, owner } from './samples.ts';

const get = area('getattr', rfc1813);
const set = area('setattr', rfc1813);

const setting = (handle: Uint8Array, attributes: Partial<NewAttributes>, guard?: Time) => ({
  handle,
  attributes: { ...nothingSet, ...attributes },
  guard,
});

const isLater = (one: Time, other: Time): boolean =>
  one.seconds > other.seconds || (one.seconds === other.seconds && one.nanoseconds > other.nanoseconds);

const needsTimes = (place: Place): void => {
  const { properties } = place.facts.information;
  if ((properties & fileSystemBit.canSetTime) === 0) throw new Skipped('the server sets no times');
};

export const attributeChecks: readonly Check[] = [
  get.must('file', 'A new file is a regular one, of its maker, with one name and no bytes', '3.3.1', async (place) => {
    const found = await place.attributes(await place.file('file', undefined, 0o640));
    same(
      [found.type, found.mode & 0o7777, found.links, found.sizeBytes],
      [fileType.regular, 0o640, 1, 0],
      'its attributes',
    );
    same(found.uid, owner.uid, 'its owner');
  }),
  get.must('directory', 'A directory is one, with two names or more', '3.3.1', async (place) => {
    const found = await place.attributes(await place.makeDirectory());
    same(found.type, fileType.directory, 'its type');
    expect(found.links >= 2, `it has ${found.links} names`);
  }),
  get.must('id', 'Two files have two numbers, and one file system', '2.6', async (place) => {
    const one = await place.attributes(await place.file('one'));
    const other = await place.attributes(await place.file('other'));
    expect(one.fileId !== other.fileId, 'they have one number');
    same(one.fileSystem, other.fileSystem, 'their file system');
  }),
  get.must('size-used', 'What takes room of a file is told', '2.6', async (place) => {
    const handle = await place.file('file', bytes(65_536));
    await place.session.ok(procedures.commit, { handle, offset: 0, count: 0 });
    const { sizeBytes, usedBytes } = await place.attributes(handle);
    same(sizeBytes, 65_536, 'its size');
    expect(usedBytes > 0, 'it takes no room');
  }),
  get.must('sparse', 'A hole takes less room than its size', '2.6', async (place) => {
    const handle = await place.file();
    await place.write(handle, 2 ** 30, bytes(1));
    const { sizeBytes, usedBytes } = await place.attributes(handle);
    same(sizeBytes, 2 ** 30 + 1, 'its size');
    expect(usedBytes < 2 ** 29, `it takes ${usedBytes} bytes`);
  }),
  set.must('mode', 'Each bit of a mode is set, but for set-group-id of others', '3.3.2', async (place) => {
    const handle = await place.file();
    for (const mode of [0, 0o777, 0o644, 0o1755, 0o4755]) {
      await place.session.ok(procedures.setAttributes, setting(handle, { mode }));
      same((await place.attributes(handle)).mode & 0o7777, mode, 'its mode');
    }
  }),
  set.must('size', 'A file is cut and grown, and what it grew by reads as zeros', '3.3.2', async (place) => {
    const handle = await place.file('file', bytes(10_000));
    for (const sizeBytes of [5000, 5001, 20_000, 0, 4096]) {
      await place.session.ok(procedures.setAttributes, setting(handle, { sizeBytes }));
      same((await place.attributes(handle)).sizeBytes, sizeBytes, 'its size');
    }
    same(await place.read(handle), Buffer.alloc(4096), 'its bytes');
  }),
  set.must('size-keeps', 'What is before the new end stays', '3.3.2', async (place) => {
    const data = bytes(9000);
    const handle = await place.file('file', data);
    await place.session.ok(procedures.setAttributes, setting(handle, { sizeBytes: 4500 }));
    await place.session.ok(procedures.setAttributes, setting(handle, { sizeBytes: 9000 }));
    same(await place.read(handle), Buffer.concat([data.subarray(0, 4500), Buffer.alloc(4500)]), 'its bytes');
  }),
  set.must('size-times', 'Another size is a modification', '3.3.2', async (place) => {
    const handle = await place.file('file', bytes(100));
    const before = await place.attributes(handle);
    await place.session.ok(procedures.setAttributes, setting(handle, { sizeBytes: 50 }));
    const after = await place.attributes(handle);
    expect(isLater(after.modified, before.modified), 'its time of modification stays');
    expect(isLater(after.changed, before.changed), 'its time of change stays');
  }),
  set.must('size-directory', 'A directory gets no size', '3.3.2', async (place) => {
    const handle = await place.makeDirectory();
    const args = setting(handle, { sizeBytes: 5 });
    await place.session.fails(procedures.setAttributes, args, status.isDirectory, status.invalid);
  }),
  set.must('size-large', 'A file is as large as FSINFO says, and not larger', '3.3.2', async (place) => {
    const handle = await place.file();
    const most = place.facts.information.mostFileBytes;
    const sizeBytes = Number(most < 2n ** 52n ? most : 2n ** 52n) - 4096;
    const { status: found } = await place.session.call(procedures.setAttributes, setting(handle, { sizeBytes }));
    if (found === status.noSpace || found === status.tooBig) return `a file of ${sizeBytes} bytes has no room`;
    same(found, status.ok, 'the status');
    same((await place.attributes(handle)).sizeBytes, sizeBytes, 'its size');
    return undefined;
  }),
  set.must('times-given', 'Times that are given are set, to the precision of FSINFO', '3.3.2', async (place) => {
    needsTimes(place);
    const handle = await place.file();
    const accessed = { seconds: 1_000_000_000, nanoseconds: 0 };
    const modified = { seconds: 1_100_000_000, nanoseconds: 0 };
    await place.session.ok(procedures.setAttributes, setting(handle, { accessed, modified }));
    const found = await place.attributes(handle);
    same([found.accessed, found.modified], [accessed, modified], 'its times');
  }),
  set.should('times-nanoseconds', 'Times are kept to the nanosecond', '3.3.2', async (place) => {
    needsTimes(place);
    if (place.facts.information.timeDelta.nanoseconds > 1) throw new Skipped('FSINFO says otherwise');
    const handle = await place.file();
    const modified = { seconds: 1_100_000_000, nanoseconds: 123_456_789 };
    await place.session.ok(procedures.setAttributes, setting(handle, { modified }));
    same((await place.attributes(handle)).modified, modified, 'its time of modification');
  }),
  set.must('times-range', 'Times of all 32 bits are kept', '2.6', async (place) => {
    needsTimes(place);
    const handle = await place.file();
    for (const seconds of [0, 1, 0x7fff_ffff]) {
      const modified = { seconds, nanoseconds: 0 };
      await place.session.ok(procedures.setAttributes, setting(handle, { modified }));
      same((await place.attributes(handle)).modified, modified, 'its time of modification');
    }
  }),
  set.must('times-now', 'The server’s own time is set', '3.3.2', async (place) => {
    const handle = await place.file();
    const modified = { seconds: 1, nanoseconds: 0 };
    if ((place.facts.information.properties & fileSystemBit.canSetTime) !== 0) {
      await place.session.ok(procedures.setAttributes, setting(handle, { modified, accessed: modified }));
    }
    await place.session.ok(procedures.setAttributes, setting(handle, { modified: 'now', accessed: 'now' }));
    const found = await place.attributes(handle);
    expect(found.modified.seconds > 1_000_000_000, `its time of modification is ${found.modified.seconds}`);
    expect(found.accessed.seconds > 1_000_000_000, `its time of access is ${found.accessed.seconds}`);
  }),
  set.must('changed', 'Whatever is set, the file was changed', '3.3.2', async (place) => {
    const handle = await place.file();
    for (const attributes of [{ mode: 0o600 }, { modified: 'now' }, { sizeBytes: 7 }] as const) {
      const before = await place.attributes(handle);
      await place.session.ok(procedures.setAttributes, setting(handle, attributes));
      const after = await place.attributes(handle);
      expect(isLater(after.changed, before.changed), `its time of change stays behind ${JSON.stringify(attributes)}`);
    }
  }),
  set.must('guard', 'With a guard it is set only where the file was last changed then', '3.3.2', async (place) => {
    const handle = await place.file();
    const { changed } = await place.attributes(handle);
    const wrong = { seconds: changed.seconds, nanoseconds: (changed.nanoseconds + 1) % 1_000_000_000 };
    await place.session.fails(procedures.setAttributes, setting(handle, { mode: 0o600 }, wrong), status.notSync);
    same((await place.attributes(handle)).mode & 0o777, 0o644, 'its mode');
    await place.session.ok(procedures.setAttributes, setting(handle, { mode: 0o600 }, changed));
    await place.session.fails(procedures.setAttributes, setting(handle, { mode: 0o644 }, changed), status.notSync);
  }),
  set.must(
    'weak-cache',
    'The reply has the attributes behind it, and those before where it has any',
    '2.6',
    async (place) => {
      const handle = await place.file('file', bytes(10));
      const before = await place.attributes(handle);
      const { change } = await place.session.ok(procedures.setAttributes, setting(handle, { sizeBytes: 5 }));
      if (change.before !== undefined) {
        same(
          change.before,
          { sizeBytes: before.sizeBytes, modified: before.modified, changed: before.changed },
          'what was before',
        );
      }
      if (change.after !== undefined) same(change.after, await place.attributes(handle), 'what is behind it');
    },
  ),
  set.should('weak-cache-there', 'The reply has attributes before and behind', '2.6', async (place) => {
    const handle = await place.file('file', bytes(10));
    const { change } = await place.session.ok(procedures.setAttributes, setting(handle, { mode: 0o600 }));
    expect(change.before !== undefined, 'it has none of before');
    expect(change.after !== undefined, 'it has none of behind');
  }),
  set.must('nothing', 'To set nothing goes well', '3.3.2', async (place) => {
    await place.session.ok(procedures.setAttributes, setting(await place.file(), {}));
  }),
  set.must('owner-by-root', 'Root gives a file to somebody else', '3.3.2', async (place) => {
    const root = await place.root();
    const handle = await place.file();
    await root.ok(procedures.setAttributes, setting(handle, { uid: 3003, gid: 4004 }));
    const { gid, uid } = await place.attributes(handle);
    same([uid, gid], [3003, 4004], 'its owner');
  }),
  set.must('owner-of-large-numbers', 'Owners of all 32 bits are kept', '2.5', async (place) => {
    const root = await place.root();
    const handle = await place.file();
    await root.ok(procedures.setAttributes, setting(handle, { uid: 0xffff_fff0, gid: 0x8000_0001 }));
    const { gid, uid } = await place.attributes(handle);
    same([uid, gid], [0xffff_fff0, 0x8000_0001], 'its owner');
  }),
  set.should('chown-clears', 'Another owner takes set-user-id and set-group-id away', robustness, async (place) => {
    const root = await place.root();
    const handle = await place.file();
    await root.ok(procedures.setAttributes, setting(handle, { mode: 0o6755 }));
    await place.session.call(procedures.setAttributes, setting(handle, { gid: owner.gid }));
    const { mode } = await place.attributes(handle);
    return mode & 0o6000
      ? `set-id bits stay where the owner sets the group that it is: ${mode.toString(8)}`
      : undefined;
  }),
  set.must('link', 'Attributes of a symbolic link are its own', '3.3.2', async (place) => {
    const target = await place.file('target');
    const made = place.session.ok(procedures.makeLink, {
      directory: place.directory,
      name: named('link'),
      attributes: nothingSet,
      text: named('target'),
    });
    const handle = await place.made(made, 'link');
    const before = await place.attributes(target);
    await place.session.call(procedures.setAttributes, setting(handle, { modified: { seconds: 5, nanoseconds: 0 } }));
    same(await place.attributes(target), before, 'the attributes of what it leads to');
  }),
];
