import { nothingSet } from '../codec/types.ts';
import { status } from '../codec/constants.ts';
import { procedures } from '../codec/procedures.ts';
import { area, rfc1813, type Check } from './check.ts';
import { expect, same } from './outcome.ts';
import { named } from './samples.ts';
import { statusName } from './session.ts';

const { must, should } = area('repeat', rfc1813);
let xids = Math.floor(Math.random() * 2 ** 31);
const nextXid = (): number => (xids += 1);
const how = { mode: 'guarded', attributes: nothingSet } as const;

/** A client that got no answer asks again by the same number: over the same connection, or a new one. */
export const repeatChecks: readonly Check[] = [
  should('create', 'CREATE that comes again gets its first answer', '4.5', async (place) => {
    const args = { directory: place.directory, name: named('file'), how };
    const xid = nextXid();
    const first = await place.session.call(procedures.create, args, xid);
    const again = await place.session.call(procedures.create, args, xid);
    same(statusName(again.status), statusName(first.status), 'its status');
    same(again, first, 'the answer');
  }),
  should('remove', 'REMOVE that comes again gets its first answer', '4.5', async (place) => {
    await place.file('file');
    const args = { directory: place.directory, name: named('file') };
    const xid = nextXid();
    same((await place.session.call(procedures.remove, args, xid)).status, status.ok, 'the first status');
    same(statusName((await place.session.call(procedures.remove, args, xid)).status), 'ok', 'the second');
  }),
  should('rename', 'RENAME that comes again gets its first answer', '4.5', async (place) => {
    await place.file('one');
    const args = {
      from: { directory: place.directory, name: named('one') },
      to: { directory: place.directory, name: named('other') },
    };
    const xid = nextXid();
    await place.session.call(procedures.rename, args, xid);
    same(statusName((await place.session.call(procedures.rename, args, xid)).status), 'ok', 'the second status');
  }),
  should(
    'make-directory',
    'MKDIR, RMDIR, LINK and SYMLINK that come again get their first answers',
    '4.5',
    async (place) => {
      const { directory, session } = place;
      const handle = await place.file('file');
      const calls = [
        (xid: number) =>
          session.call(procedures.makeDirectory, { directory, name: named('a'), attributes: nothingSet }, xid),
        (xid: number) => session.call(procedures.removeDirectory, { directory, name: named('a') }, xid),
        (xid: number) => session.call(procedures.link, { handle, link: { directory, name: named('b') } }, xid),
        (xid: number) =>
          session.call(
            procedures.makeLink,
            { directory, name: named('c'), attributes: nothingSet, text: named('x') },
            xid,
          ),
      ];
      for (const call of calls) {
        const xid = nextXid();
        const first = await call(xid);
        same(statusName(first.status), 'ok', 'the first status');
        same(statusName((await call(xid)).status), 'ok', 'the second');
      }
    },
  ),
  should('set-attributes', 'SETATTR with a guard that comes again gets its first answer', '4.5', async (place) => {
    const handle = await place.file();
    const { changed } = await place.attributes(handle);
    const args = { handle, attributes: { ...nothingSet, mode: 0o600 }, guard: changed };
    const xid = nextXid();
    await place.session.call(procedures.setAttributes, args, xid);
    same(statusName((await place.session.call(procedures.setAttributes, args, xid)).status), 'ok', 'the second status');
  }),
  should('reconnect', 'Also over another connection of the same client', '4.5', async (place) => {
    await place.file('file');
    const args = { directory: place.directory, name: named('file') };
    const xid = nextXid();
    const first = await place.as();
    await first.call(procedures.remove, args, xid);
    first.close();
    const second = await place.as();
    same(statusName((await second.call(procedures.remove, args, xid)).status), 'ok', 'the second status');
  }),
  must('other-number', 'The same call by another number is another call', '4.5', async (place) => {
    await place.file('file');
    const args = { directory: place.directory, name: named('file') };
    same((await place.session.call(procedures.remove, args, nextXid())).status, status.ok, 'the first status');
    same((await place.session.call(procedures.remove, args, nextXid())).status, status.notFound, 'the second');
  }),
  must('other-arguments', 'Another call by the same number is another call', '4.5', async (place) => {
    const xid = nextXid();
    for (const name of ['one', 'other']) {
      const args = { directory: place.directory, name: named(name), how };
      same((await place.session.call(procedures.create, args, xid)).status, status.ok, `the status of '${name}'`);
    }
    same((await place.list()).toSorted(), ['one', 'other'], 'what is there');
  }),
  must('other-procedure', 'Another procedure by the same number is another call', '4.5', async (place) => {
    const xid = nextXid();
    const args = { directory: place.directory, name: named('file') };
    same((await place.session.call(procedures.create, { ...args, how }, xid)).status, status.ok, 'of CREATE');
    same((await place.session.call(procedures.lookup, args, xid)).status, status.ok, 'of LOOKUP');
    same((await place.session.call(procedures.remove, args, xid)).status, status.ok, 'of REMOVE');
    expect(!(await place.isThere('file')), 'it is there');
  }),
  should('both-at-once', 'Two of one number at once are done once', '4.5', async (place) => {
    const args = { directory: place.directory, name: named('file'), how };
    const xid = nextXid();
    const one = await place.as();
    const other = await place.as();
    const late = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 1000));
    const first = one.call(procedures.create, args, xid);
    const second = Promise.race([other.call(procedures.create, args, xid), late]);
    same(statusName((await first).status), 'ok', 'the first status');
    const found = await second;
    // Whoever asks again while it is being answered may get no answer of its own.
    if (found !== undefined) same(statusName(found.status), 'ok', 'the second status');
  }),
];
