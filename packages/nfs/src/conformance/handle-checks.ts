import { nothingSet } from '../codec/types.ts';
import { status } from '../codec/constants.ts';
import { procedures } from '../codec/procedures.ts';
import { area, rfc1813, robustness, type Check } from './check.ts';
import { expect, same } from './outcome.ts';
import { bytes, named } from './samples.ts';
import type { Session } from './session.ts';

const { must, should } = area('handle', rfc1813);

/** Statuses of a handle that is none, or of nothing any more. */
const refused = [status.badHandle, status.stale, status.invalid, status.access] as const;

async function refuses(session: Session, handle: Uint8Array): Promise<void> {
  await session.fails(procedures.getAttributes, { handle }, ...refused);
}

export const handleChecks: readonly Check[] = [
  must('same', 'A file has one handle, however it was found', '2.3.3', async (place) => {
    const handle = await place.file('file');
    for (let count = 0; count < 5; count += 1) same(await place.lookup('file'), handle, 'the handle');
    const other = await place.as();
    const found = await other.ok(procedures.lookup, { directory: place.directory, name: named('file') });
    same(found.handle, handle, 'the handle over another connection');
  }),
  must('sizes', 'Handles of any length that were never given are refused', '2.6', async (place) => {
    for (const length of [0, 1, 4, 12, 28, 32, 56, 63, 64]) {
      await refuses(place.session, Buffer.alloc(length));
      await refuses(place.session, Buffer.alloc(length, 0xff));
    }
  }),
  must('bits', 'A handle with another bit opens nothing', robustness, async (place) => {
    const handle = await place.file('file', bytes(10));
    let opened = 0;
    for (let bit = 0; bit < handle.length * 8; bit += 1) {
      const wrong = Buffer.from(handle);
      wrong[bit >> 3] = wrong[bit >> 3]! ^ (1 << (bit & 7));
      const { status: found } = await place.session.call(procedures.getAttributes, { handle: wrong });
      if (found === status.ok) opened += 1;
    }
    same(opened, 0, 'how many opened something');
  }),
  must('cut', 'A handle that is cut or longer opens nothing', robustness, async (place) => {
    const handle = Buffer.from(await place.file());
    for (let length = 0; length < handle.length; length += 1) await refuses(place.session, handle.subarray(0, length));
    if (handle.length < 64) await refuses(place.session, Buffer.concat([handle, Buffer.alloc(1)]));
  }),
  should('bad-handle', 'What can be no handle is BADHANDLE, and not STALE', '2.6', async (place) => {
    await place.session.fails(procedures.getAttributes, { handle: Buffer.alloc(8, 0x5a) }, status.badHandle);
  }),
  must('everywhere', 'Every procedure refuses such a handle', '2.6', async (place) => {
    const handle = Buffer.alloc(32, 0x5a);
    const { session } = place;
    const name = named('x');
    const how = { mode: 'guarded', attributes: nothingSet } as const;
    await session.fails(procedures.setAttributes, { handle, attributes: nothingSet, guard: undefined }, ...refused);
    await session.fails(procedures.lookup, { directory: handle, name }, ...refused);
    await session.fails(procedures.access, { handle, access: 1 }, ...refused);
    await session.fails(procedures.readLink, { handle }, ...refused);
    await session.fails(procedures.read, { handle, offset: 0, count: 1 }, ...refused);
    await session.fails(procedures.write, { handle, offset: 0, count: 1, stability: 0, data: bytes(1) }, ...refused);
    await session.fails(procedures.create, { directory: handle, name, how }, ...refused);
    await session.fails(procedures.makeDirectory, { directory: handle, name, attributes: nothingSet }, ...refused);
    await session.fails(
      procedures.makeLink,
      { directory: handle, name, attributes: nothingSet, text: name },
      ...refused,
    );
    await session.fails(procedures.remove, { directory: handle, name }, ...refused);
    await session.fails(procedures.removeDirectory, { directory: handle, name }, ...refused);
    const there = { directory: place.directory, name };
    await session.fails(procedures.rename, { from: { directory: handle, name }, to: there }, ...refused);
    await session.fails(procedures.link, { handle, link: there }, ...refused);
    const listing = { directory: handle, cookie: 0n, verifier: Buffer.alloc(8) };
    await session.fails(procedures.readDirectory, { ...listing, count: 4096 }, ...refused);
    await session.fails(
      procedures.readDirectoryPlus,
      { ...listing, directoryBytes: 4096, mostBytes: 4096 },
      ...refused,
    );
    await session.fails(procedures.statistics, { handle }, ...refused);
    await session.fails(procedures.information, { handle }, ...refused);
    await session.fails(procedures.pathLimits, { handle }, ...refused);
    await session.fails(procedures.commit, { handle, offset: 0, count: 0 }, ...refused);
  }),
  must('moved', 'A handle is good behind every rename', '2.3.3', async (place) => {
    const handle = await place.file('file', bytes(10));
    const directory = await place.makeDirectory('directory');
    const from = { directory: place.directory, name: named('file') };
    await place.session.ok(procedures.rename, { from, to: { directory, name: named('there') } });
    same(await place.read(handle), bytes(10), 'its bytes');
  }),
  must('reconnect', 'A handle is good over a new connection', '2.3.3', async (place) => {
    const handle = await place.file('file', bytes(10));
    for (let count = 0; count < 5; count += 1) {
      const session = await place.as();
      await session.ok(procedures.getAttributes, { handle });
      session.close();
    }
  }),
  should(
    'length',
    'Handles have 56 bytes at the most: so much version 4 and others can hold with what is their own',
    robustness,
    async (place) => {
      const { length } = await place.file();
      expect(length <= 56, `they have ${length}`);
    },
  ),
];
