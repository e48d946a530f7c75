import { nothingSet } from '../codec/types.ts';
import { accessBit } from '../codec/constants.ts';
import { procedures } from '../codec/procedures.ts';
import { area, rfc1813, type Check } from './check.ts';
import { expect, same } from './outcome.ts';
import { stranger, sysOf } from './samples.ts';
import type { Session } from './session.ts';

const { must, should } = area('access', rfc1813);
const all = 0x3f;
const { delete: remove, execute, extend, lookup, modify, read } = accessBit;

const granted = async (session: Session, handle: Uint8Array, access = all): Promise<number> =>
  (await session.ok(procedures.access, { handle, access })).access;

export const accessChecks: readonly Check[] = [
  must('owner-file', 'The owner of a file may what its mode says', '3.3.4', async (place) => {
    const handle = await place.file('file', undefined, 0o600);
    const found = await granted(place.session, handle);
    same(found & (read | modify | extend), read | modify | extend, 'of reading and writing');
    same(found & execute, 0, 'of executing');
  }),
  must('stranger-file', 'Others may not', '3.3.4', async (place) => {
    const handle = await place.file('file', undefined, 0o600);
    const other = await place.as(stranger);
    same((await granted(other, handle)) & (read | modify | extend | execute), 0, 'what others may');
  }),
  must(
    'group',
    'Members of the group may what the mode says for it, by any of their groups',
    '3.3.4',
    async (place) => {
      const handle = await place.file('file', undefined, 0o640);
      const member = await place.as(sysOf(2002, 2002, [5, 1001]));
      same((await granted(member, handle)) & (read | modify | extend), read, 'what a member may');
    },
  ),
  must('execute', 'Execution is told of', '3.3.4', async (place) => {
    const handle = await place.file('file', undefined, 0o755);
    const other = await place.as(stranger);
    same((await granted(other, handle)) & execute, execute, 'of executing');
  }),
  must('directory', 'Of a directory looking up, making and removing are told', '3.3.4', async (place) => {
    const handle = await place.makeDirectory();
    const found = await granted(place.session, handle);
    const own = read | lookup | modify | extend | remove;
    same(found & own, own, 'what its owner may');
    const other = await place.as(stranger);
    same((await granted(other, handle)) & own, read | lookup, 'what others may');
  }),
  must('asked', 'Nothing is told that was not asked for', '3.3.4', async (place) => {
    const handle = await place.file('file', undefined, 0o777);
    for (const bit of [read, modify, extend, execute])
      same(await granted(place.session, handle, bit), bit, `of ${bit} alone`);
    same(await granted(place.session, handle, 0), 0, 'of nothing');
  }),
  must('unknown', 'Bits that are not known are not granted', '3.3.4', async (place) => {
    const handle = await place.file('file', undefined, 0o777);
    same((await granted(place.session, handle, 0xffff_ffc0)) & ~all, 0, 'of unknown bits');
  }),
  must('root', 'Root may read and write whatever the mode says', '3.3.4', async (place) => {
    const root = await place.root();
    const handle = await place.file('file', undefined, 0o000);
    same((await granted(root, handle)) & (read | modify | extend), read | modify | extend, 'of reading and writing');
  }),
  should('attributes', 'The reply has the attributes of the file', '3.3.4', async (place) => {
    const handle = await place.file();
    const { after } = await place.session.ok(procedures.access, { handle, access: all });
    expect(after !== undefined, 'it has none');
    same(after, await place.attributes(handle), 'the attributes');
  }),
  must('mode-changes', 'Another mode is told of at once', '3.3.4', async (place) => {
    const handle = await place.file('file', undefined, 0o600);
    const other = await place.as(stranger);
    same((await granted(other, handle)) & read, 0, 'of reading before');
    await place.session.ok(procedures.setAttributes, {
      handle,
      attributes: { ...nothingSet, mode: 0o604 },
      guard: undefined,
    });
    same((await granted(other, handle)) & read, read, 'of reading behind');
  }),
];
