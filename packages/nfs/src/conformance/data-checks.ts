import { stability, status } from '../codec/constants.ts';
import { procedures } from '../codec/procedures.ts';
import { nothingSet, type Time } from '../codec/types.ts';
import { area, rfc1813, robustness, type Check } from './check.ts';
import { expect, same } from './outcome.ts';
import { bytes, named } from './samples.ts';

const reading = area('read', rfc1813);
const writing = area('write', rfc1813);
const committing = area('commit', rfc1813);
const { commit, read, write } = procedures;

const isLater = (one: Time, other: Time): boolean =>
  one.seconds > other.seconds || (one.seconds === other.seconds && one.nanoseconds > other.nanoseconds);

const writeArgs = (handle: Uint8Array, offset: number, data: Uint8Array, how: number = stability.file) => ({
  handle,
  offset,
  count: data.length,
  stability: how,
  data,
});

export const dataChecks: readonly Check[] = [
  reading.must('whole', 'What was written is read', '3.3.6', async (place) => {
    const data = bytes(10_000);
    const found = await place.session.ok(read, { handle: await place.file('file', data), offset: 0, count: 10_000 });
    same(Buffer.from(found.data), data, 'its bytes');
    same([found.count, found.isEnd], [10_000, true], 'how much it is, and whether it is the end');
  }),
  reading.must('odd-sizes', 'Any offset and length is read', '3.3.6', async (place) => {
    const data = bytes(9001);
    const handle = await place.file('file', data);
    for (const [offset, count] of [
      [0, 1],
      [1, 1],
      [4095, 2],
      [4096, 4096],
      [1, 8999],
      [9000, 1],
      [8999, 2],
    ] as const) {
      same(
        await place.read(handle, offset, count),
        data.subarray(offset, offset + count),
        `${count} bytes from ${offset} on`,
      );
    }
  }),
  reading.must('beyond', 'Behind the end nothing is read, and it is the end', '3.3.6', async (place) => {
    const handle = await place.file('file', bytes(100));
    for (const offset of [100, 101, 2 ** 40]) {
      const found = await place.session.ok(read, { handle, offset, count: 10 });
      same([found.count, found.isEnd, found.data.length], [0, true, 0], `from ${offset} on`);
    }
  }),
  reading.must('over-the-end', 'A read over the end gives what there is', '3.3.6', async (place) => {
    const data = bytes(100);
    const found = await place.session.ok(read, { handle: await place.file('file', data), offset: 50, count: 1000 });
    same(Buffer.from(found.data), data.subarray(50), 'its bytes');
    expect(found.isEnd, 'it is not said to be the end');
  }),
  reading.must('not-the-end', 'Before the end it is not said to be the end', '3.3.6', async (place) => {
    const found = await place.session.ok(read, { handle: await place.file('file', bytes(100)), offset: 0, count: 99 });
    expect(!found.isEnd, 'it is said to be');
  }),
  reading.must('nothing', 'To read nothing goes well', '3.3.6', async (place) => {
    const found = await place.session.ok(read, { handle: await place.file('file', bytes(10)), offset: 5, count: 0 });
    same(found.count, 0, 'how much it is');
  }),
  reading.must('most', 'As much as FSINFO says is read at once', '3.3.6', async (place) => {
    const most = Math.min(place.facts.information.mostReadBytes, 2 ** 20);
    const handle = await place.file();
    const data = bytes(most);
    const step = Math.min(place.facts.information.mostWriteBytes, 65_536);
    for (let at = 0; at < most; at += step) await place.write(handle, at, data.subarray(at, at + step));
    const found = await place.session.ok(read, { handle, offset: 0, count: most });
    same(found.count, most, 'how much it is');
    expect(Buffer.from(found.data).equals(data), 'its bytes are others');
  }),
  reading.must('too-much', 'More than that gives less, and no error', '3.3.6', async (place) => {
    const handle = await place.file('file', bytes(1000));
    const found = await place.session.ok(read, { handle, offset: 0, count: 0xffff_ffff });
    expect(found.count > 0, 'it gives nothing');
  }),
  reading.must('hole', 'A hole reads as zeros', '3.3.6', async (place) => {
    const handle = await place.file();
    await place.write(handle, 100_000, bytes(10));
    same(await place.read(handle, 0, 50_000), Buffer.alloc(50_000), 'the hole');
  }),
  reading.must('directory', 'A directory is not read: ISDIR or INVAL', '3.3.6', async (place) => {
    await place.session.fails(
      read,
      { handle: place.directory, offset: 0, count: 10 },
      status.isDirectory,
      status.invalid,
    );
  }),
  reading.must('link', 'A link is not read: INVAL', '3.3.6', async (place) => {
    const args = { directory: place.directory, name: named('link'), attributes: nothingSet, text: named('x') };
    const handle = await place.made(place.session.ok(procedures.makeLink, args), 'link');
    await place.session.fails(read, { handle, offset: 0, count: 10 }, status.invalid);
  }),
  reading.should('attributes', 'The reply has the attributes of the file', '3.3.6', async (place) => {
    const handle = await place.file('file', bytes(10));
    const { after } = await place.session.ok(read, { handle, offset: 0, count: 10 });
    expect(after !== undefined, 'it has none');
    same(after.sizeBytes, 10, 'its size in them');
  }),
  reading.must('far', 'Offsets of 64 bits are taken', '3.3.6', async (place) => {
    const handle = await place.file();
    const most = place.facts.information.mostFileBytes;
    const offset = Number(most > 2n ** 40n ? 2n ** 40n : most) - 10;
    await place.write(handle, offset, bytes(10, 7));
    same(await place.read(handle, offset, 10), bytes(10, 7), 'its last bytes');
    same((await place.attributes(handle)).sizeBytes, offset + 10, 'its size');
  }),
  writing.must('stable', 'FILE_SYNC is answered with FILE_SYNC', '3.3.7', async (place) => {
    const { committed } = await place.session.ok(write, writeArgs(await place.file(), 0, bytes(10), stability.file));
    same(committed, stability.file, 'how it was committed');
  }),
  writing.must('data-sync', 'DATA_SYNC is answered with DATA_SYNC or more', '3.3.7', async (place) => {
    const { committed } = await place.session.ok(write, writeArgs(await place.file(), 0, bytes(10), stability.data));
    expect(committed >= stability.data, 'it was not committed');
  }),
  writing.must('unstable', 'UNSTABLE data is read at once, by everybody', '3.3.7', async (place) => {
    const handle = await place.file();
    await place.session.ok(write, writeArgs(handle, 0, bytes(5000), stability.unstable));
    const other = await place.as();
    const found = await other.ok(read, { handle, offset: 0, count: 5000 });
    same(Buffer.from(found.data), bytes(5000), 'its bytes');
  }),
  writing.must('overwrite', 'What is written over is what was written last', '3.3.7', async (place) => {
    const handle = await place.file('file', bytes(10_000, 1));
    await place.write(handle, 4000, bytes(3000, 2));
    const expected = Buffer.concat([
      bytes(10_000, 1).subarray(0, 4000),
      bytes(3000, 2),
      bytes(10_000, 1).subarray(7000),
    ]);
    same(await place.read(handle), expected, 'its bytes');
  }),
  writing.must('gap', 'What is between the end and a write reads as zeros', '3.3.7', async (place) => {
    const handle = await place.file('file', bytes(10));
    await place.write(handle, 5000, bytes(10, 3));
    const expected = Buffer.concat([bytes(10), Buffer.alloc(4990), bytes(10, 3)]);
    same(await place.read(handle), expected, 'its bytes');
  }),
  writing.must('nothing', 'To write nothing changes nothing', '3.3.7', async (place) => {
    const handle = await place.file('file', bytes(10));
    const { count } = await place.session.ok(write, writeArgs(handle, 100, Buffer.alloc(0)));
    same(count, 0, 'how much was written');
    same((await place.attributes(handle)).sizeBytes, 10, 'its size');
  }),
  writing.must('times', 'A write is a modification and a change', '3.3.7', async (place) => {
    const handle = await place.file('file', bytes(10));
    const before = await place.attributes(handle);
    await place.write(handle, 0, bytes(10, 2));
    const after = await place.attributes(handle);
    expect(isLater(after.modified, before.modified), 'its time of modification stays');
    expect(isLater(after.changed, before.changed), 'its time of change stays');
  }),
  writing.must('most', 'As much as FSINFO says is written at once', '3.3.7', async (place) => {
    const most = Math.min(place.facts.information.mostWriteBytes, 2 ** 20);
    const handle = await place.file();
    const data = bytes(most, 5);
    const { count } = await place.session.ok(write, writeArgs(handle, 0, data, stability.unstable));
    same(count, most, 'how much was written');
    const { data: found } = await place.session.ok(read, { handle, offset: most - 1000, count: 1000 });
    expect(Buffer.from(found).equals(data.subarray(most - 1000)), 'its last bytes are others');
  }),
  writing.must(
    'count-and-data',
    'Data that is other than its count is refused, or the lesser is taken',
    '3.3.7',
    async (place) => {
      const handle = await place.file();
      const args = { handle, offset: 0, count: 20, stability: stability.file, data: bytes(10) };
      const { ok } = await place.session.call(write, args);
      if (ok !== undefined) expect(ok.count <= 10, `${ok.count} bytes were written of 10`);
      expect((await place.attributes(handle)).sizeBytes <= 10, 'more was written than was sent');
    },
  ),
  writing.must('directory', 'A directory is not written to', '3.3.7', async (place) => {
    await place.session.fails(write, writeArgs(place.directory, 0, bytes(1)), status.isDirectory, status.invalid);
  }),
  writing.must('too-big', 'Behind what FSINFO says nothing is written: FBIG', '3.3.7', async (place) => {
    const most = place.facts.information.mostFileBytes;
    if (most >= 2n ** 53n - 1n) return 'files are larger than can be told here';
    const handle = await place.file();
    const args = writeArgs(handle, Number(most), bytes(10));
    await place.session.fails(write, args, status.tooBig, status.invalid, status.noSpace);
    return undefined;
  }),
  writing.must(
    'weak-cache',
    'The reply has the attributes behind it, and those before where it has any',
    '2.6',
    async (place) => {
      const handle = await place.file('file', bytes(10));
      const before = await place.attributes(handle);
      const { change } = await place.session.ok(write, writeArgs(handle, 10, bytes(10)));
      if (change.before !== undefined) same(change.before.sizeBytes, before.sizeBytes, 'the size before');
      if (change.after !== undefined) same(change.after.sizeBytes, 20, 'the size behind');
    },
  ),
  writing.should('weak-cache-behind', 'The reply has the attributes behind it', '2.6', async (place) => {
    const { change } = await place.session.ok(write, writeArgs(await place.file(), 0, bytes(10)));
    expect(change.after !== undefined, 'it has none');
  }),
  writing.must('verifier', 'The verifier stays the same from call to call', '3.3.7', async (place) => {
    const handle = await place.file();
    const one = await place.session.ok(write, writeArgs(handle, 0, bytes(10), stability.unstable));
    const other = await place.session.ok(write, writeArgs(handle, 10, bytes(10), stability.file));
    same(one.verifier, other.verifier, 'the verifiers');
  }),
  writing.must('pipelined', 'Writes that come together are all there', robustness, async (place) => {
    const handle = await place.file();
    const data = bytes(200_000);
    const parts = Array.from({ length: 50 }, (_, at) => at * 4000);
    await Promise.all(
      parts.map((at) =>
        place.session.ok(write, writeArgs(handle, at, data.subarray(at, at + 4000), stability.unstable)),
      ),
    );
    await place.session.ok(commit, { handle, offset: 0, count: 0 });
    const found = await Promise.all(parts.map((at) => place.read(handle, at, 4000)));
    expect(Buffer.concat(found).equals(data), 'its bytes are others');
  }),
  writing.should('set-id', 'A write by somebody else takes set-user-id away', robustness, async (place) => {
    const handle = await place.file('file', bytes(10), 0o666);
    await place.session.ok(procedures.setAttributes, {
      handle,
      attributes: { ...nothingSet, mode: 0o4766 },
      guard: undefined,
    });
    const other = await place.as({ stamp: 1, machine: 'm', uid: 2002, gid: 2002, gids: [] });
    await other.ok(write, writeArgs(handle, 0, bytes(1)));
    same((await place.attributes(handle)).mode & 0o4000, 0, 'set-user-id');
  }),
  committing.must('verifier', 'COMMIT has the verifier that WRITE had', '3.3.21', async (place) => {
    const handle = await place.file();
    const written = await place.session.ok(write, writeArgs(handle, 0, bytes(5000), stability.unstable));
    const committed = await place.session.ok(commit, { handle, offset: 0, count: 0 });
    same(committed.verifier, written.verifier, 'the verifiers');
  }),
  committing.must('range', 'A range is committed, also one behind the end', '3.3.21', async (place) => {
    const handle = await place.file('file', bytes(100));
    for (const [offset, count] of [
      [0, 50],
      [50, 0],
      [1000, 10],
      [2 ** 40, 1],
    ] as const) {
      await place.session.ok(commit, { handle, offset, count });
    }
  }),
  committing.must('unwritten', 'What was never written is committed as well', '3.3.21', async (place) => {
    await place.session.ok(commit, { handle: await place.file(), offset: 0, count: 0 });
  }),
  committing.should('together', 'Many commits at once are all answered', robustness, async (place) => {
    const handle = await place.file('file', bytes(100));
    await Promise.all(Array.from({ length: 100 }, () => place.session.ok(commit, { handle, offset: 0, count: 0 })));
  }),
];
