import { stability, status } from '../codec/constants.ts';
import { procedures } from '../codec/procedures.ts';
import { nothingSet, type NewAttributes } from '../codec/types.ts';
import { area, rfc1813, robustness, type Check } from './check.ts';
import { expect, same } from './outcome.ts';
import type { Place } from './place.ts';
import { bytes, named, owner, stranger, sysOf } from './samples.ts';

const { must, should } = area('permission', rfc1813);
const denied = [status.access, status.notOwner] as const;

const setting = (handle: Uint8Array, attributes: Partial<NewAttributes>) => ({
  handle,
  attributes: { ...nothingSet, ...attributes },
  guard: undefined,
});
const writing = (handle: Uint8Array) => ({ handle, offset: 0, count: 1, stability: stability.file, data: bytes(1) });
const making = (directory: Uint8Array, name = 'x') =>
  ({ directory, name: named(name), how: { mode: 'guarded', attributes: nothingSet } }) as const;

async function privateDirectory(place: Place, mode: number): Promise<Uint8Array> {
  const handle = await place.makeDirectory('private', 0o700);
  await place.session.ok(procedures.create, making(handle, 'inside'));
  await place.session.ok(procedures.setAttributes, setting(handle, { mode }));
  return handle;
}

export const permissionChecks: readonly Check[] = [
  must('read', 'Who may not read a file does not: ACCES', '3.3.6', async (place) => {
    const handle = await place.file('file', bytes(10), 0o600);
    const other = await place.as(stranger);
    await other.fails(procedures.read, { handle, offset: 0, count: 10 }, status.access);
  }),
  must('write', 'Who may not write to it does not: ACCES', '3.3.7', async (place) => {
    const handle = await place.file('file', bytes(10), 0o644);
    const other = await place.as(stranger);
    await other.fails(procedures.write, writing(handle), status.access);
    same(await place.read(handle), bytes(10), 'its bytes');
  }),
  must(
    'owner-override',
    'Its owner reads and writes it whatever its mode is, as it may have it open',
    '4.4',
    async (place) => {
      const handle = await place.file('file', bytes(10), 0o000);
      await place.session.ok(procedures.read, { handle, offset: 0, count: 10 });
      await place.session.ok(procedures.write, writing(handle));
    },
  ),
  must('execute-reads', 'Who may execute a file may read it, as the client does to run it', '4.4', async (place) => {
    const handle = await place.file('file', bytes(10), 0o711);
    const other = await place.as(stranger);
    const { status: found } = await other.call(procedures.read, { handle, offset: 0, count: 10 });
    return found === status.ok ? undefined : 'a file that is only executable is not read';
  }),
  must('set-mode', 'Only the owner sets a mode: PERM or ACCES', '3.3.2', async (place) => {
    const handle = await place.file('file', undefined, 0o666);
    const other = await place.as(stranger);
    await other.fails(procedures.setAttributes, setting(handle, { mode: 0o777 }), ...denied);
  }),
  must('set-owner', 'Nobody gives a file away', '3.3.2', async (place) => {
    const handle = await place.file();
    await place.session.fails(procedures.setAttributes, setting(handle, { uid: stranger.uid }), ...denied);
    const other = await place.as(stranger);
    await other.fails(procedures.setAttributes, setting(handle, { uid: stranger.uid }), ...denied);
  }),
  must('set-group', 'The owner gives it a group that it is in, and no other', '3.3.2', async (place) => {
    const member = await place.as(sysOf(owner.uid, owner.gid, [7001]));
    const handle = await place.file();
    await member.ok(procedures.setAttributes, setting(handle, { gid: 7001 }));
    same((await place.attributes(handle)).gid, 7001, 'its group');
    await member.fails(procedures.setAttributes, setting(handle, { gid: 7002 }), ...denied);
  }),
  must('set-times', 'Who may write sets the times to now, and only the owner to others', '3.3.2', async (place) => {
    const handle = await place.file('file', undefined, 0o666);
    const other = await place.as(stranger);
    await other.ok(procedures.setAttributes, setting(handle, { modified: 'now', accessed: 'now' }));
    const given = { seconds: 5, nanoseconds: 0 };
    await other.fails(procedures.setAttributes, setting(handle, { modified: given, accessed: given }), ...denied);
  }),
  must('set-size', 'Who may not write does not cut a file', '3.3.2', async (place) => {
    const handle = await place.file('file', bytes(10));
    const other = await place.as(stranger);
    await other.fails(procedures.setAttributes, setting(handle, { sizeBytes: 0 }), ...denied);
    same((await place.attributes(handle)).sizeBytes, 10, 'its size');
  }),
  must('search', 'Without search nothing is looked up: ACCES', '3.3.3', async (place) => {
    const directory = await privateDirectory(place, 0o644);
    const other = await place.as(stranger);
    await other.fails(procedures.lookup, { directory, name: named('inside') }, status.access);
  }),
  must('list', 'Without reading nothing is listed: ACCES', '3.3.16', async (place) => {
    const directory = await privateDirectory(place, 0o711);
    const other = await place.as(stranger);
    await other.ok(procedures.lookup, { directory, name: named('inside') });
    const args = { directory, cookie: 0n, verifier: Buffer.alloc(8), count: 4096 };
    await other.fails(procedures.readDirectory, args, status.access);
  }),
  must('make', 'Without writing nothing is made, named, renamed or removed: ACCES', '3.3.8', async (place) => {
    const directory = await privateDirectory(place, 0o755);
    const file = await place.lookup('inside', directory);
    const other = await place.as(stranger);
    await other.fails(procedures.create, making(directory), status.access);
    await other.fails(procedures.makeDirectory, { directory, name: named('x'), attributes: nothingSet }, status.access);
    await other.fails(
      procedures.makeLink,
      { directory, name: named('x'), attributes: nothingSet, text: named('y') },
      status.access,
    );
    await other.fails(procedures.link, { handle: file, link: { directory, name: named('x') } }, ...denied);
    await other.fails(procedures.remove, { directory, name: named('inside') }, status.access);
    const renaming = {
      from: { directory, name: named('inside') },
      to: { directory: place.directory, name: named('out') },
    };
    await other.fails(procedures.rename, renaming, status.access);
  }),
  must(
    'sticky',
    'In a directory with the sticky bit nobody removes or renames what is another’s',
    '2.6',
    async (place) => {
      const directory = await place.makeDirectory('sticky', 0o777);
      await place.session.ok(procedures.setAttributes, setting(directory, { mode: 0o1777 }));
      await place.session.ok(procedures.create, making(directory, 'mine'));
      const other = await place.as(stranger);
      await other.ok(procedures.create, making(directory, 'theirs'));
      await other.fails(procedures.remove, { directory, name: named('mine') }, ...denied);
      const over = { from: { directory, name: named('theirs') }, to: { directory, name: named('mine') } };
      await other.fails(procedures.rename, over, ...denied);
      await other.ok(procedures.remove, { directory, name: named('theirs') });
    },
  ),
  must('groups', 'Any of the 16 groups of a credential counts', 'RFC 5531, appendix A', async (place) => {
    const handle = await place.file('file', bytes(10), 0o640);
    const gids = [...Array.from({ length: 15 }, (_, at) => 9000 + at), owner.gid];
    const member = await place.as(sysOf(stranger.uid, stranger.gid, gids));
    await member.ok(procedures.read, { handle, offset: 0, count: 10 });
  }),
  must('nobody', 'Who does not say who it is is nobody', robustness, async (place) => {
    const handle = await place.file('file', bytes(10), 0o600);
    const anybody = await place.as(undefined).catch(() => undefined);
    if (anybody === undefined) return 'the server takes no such connection';
    try {
      const { status: found } = await anybody.call(procedures.read, { handle, offset: 0, count: 10 });
      expect(found !== status.ok, 'it read what is only its owner’s');
      return undefined;
    } catch {
      return 'the server takes no such call';
    }
  }),
  must('root-squashed', 'Root that is squashed is nobody', robustness, async (place) => {
    if (!place.facts.isRootSquashed) return 'root is root on this export';
    const handle = await place.file('file', bytes(10), 0o600);
    const root = await place.as(sysOf(0, 0));
    await root.fails(procedures.read, { handle, offset: 0, count: 10 }, status.access);
    return undefined;
  }),
  should('mixed', 'Credentials of one connection do not leak into each other', robustness, async (place) => {
    const handle = await place.file('file', bytes(10), 0o600);
    const other = await place.as(stranger);
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        await place.session.ok(procedures.read, { handle, offset: 0, count: 10 });
        await other.fails(procedures.read, { handle, offset: 0, count: 10 }, status.access);
      }),
    );
  }),
];
