import { nothingSet } from '../codec/types.ts';
import { RejectedCall } from '../client/rpc-client.ts';
import { accessBit, status } from '../codec/constants.ts';
import {
  aclBit,
  aclType,
  inheritedType,
  mostNfsAclEntries,
  nfsAclProcedures,
  nfsAclProgram,
  nfsAclVersion,
  type NfsAclEntry,
  type NfsAcls,
} from '../codec/nfs-acl.ts';
import { procedures } from '../codec/procedures.ts';
import { area, type Check } from './check.ts';
import { expect, Failed, same, Skipped } from './outcome.ts';
import type { Place } from './place.ts';
import { bytes, named, owner, stranger } from './samples.ts';
import { statusName, type Session } from './session.ts';

const { must, should } = area('acl', 'Linux, fs/nfs_common/nfsacl.c and fs/nfsd/nfs3acl.c');

const all = aclBit.access | aclBit.accessCount | aclBit.inherited | aclBit.inheritedCount;
const entry = (type: number, permissions: number, id = 0): NfsAclEntry => ({ type, id, permissions });

/** Of a file that the stranger may use besides its owner. */
const shared = (permissions: number): NfsAclEntry[] => [
  entry(aclType.owner, 6, owner.uid),
  entry(aclType.user, permissions, stranger.uid),
  entry(aclType.owningGroup, 0, owner.gid),
  entry(aclType.mask, 7),
  entry(aclType.others, 0),
];
/** Of a directory whose owner searches it. */
const sharedDirectory = shared(7).map((each) => (each.type === aclType.owner ? { ...each, permissions: 7 } : each));
const flagged = (entries: readonly NfsAclEntry[]): NfsAclEntry[] =>
  entries.map((each) => ({ ...each, type: each.type | inheritedType }));
const lists = (access: readonly NfsAclEntry[], inherited: readonly NfsAclEntry[] = []): NfsAcls => ({
  accessCount: access.length,
  access,
  inheritedCount: inherited.length,
  inherited,
});

/** What each list of some entries says, whatever ids a server has of what has none. */
const told = (entries: readonly NfsAclEntry[]): string[] =>
  entries.map(({ id, permissions, type }) => {
    const kind = type & ~inheritedType;
    const isNamed = kind === aclType.user || kind === aclType.group;
    return isNamed ? `${type} ${id} ${permissions}` : `${type} ${permissions}`;
  });

async function getAcl(session: Session, handle: Uint8Array, mask: number = all) {
  const outcome = await session.nfs.callAcl(nfsAclProcedures.get, { handle, mask });
  if (outcome.ok !== undefined) return outcome.ok;
  if (outcome.status === status.notSupported) throw new Skipped('the export has no access control lists');
  throw new Failed(`GETACL failed with ${statusName(outcome.status)}`);
}

const setAcl = (session: Session, handle: Uint8Array, acls: NfsAcls, mask: number = aclBit.access) =>
  session.nfs.callAcl(nfsAclProcedures.set, { handle, mask, acls });

async function changeAcl(session: Session, handle: Uint8Array, acls: NfsAcls, mask?: number): Promise<void> {
  const { status: found } = await setAcl(session, handle, acls, mask);
  if (found !== status.ok) throw new Failed(`SETACL failed with ${statusName(found)}`);
}

/** Makes a file, where the server has lists at all. */
async function listed(place: Place, mode = 0o644): Promise<Uint8Array> {
  const handle = await place.file('file', bytes(10), mode);
  try {
    await getAcl(place.session, handle, aclBit.accessCount);
  } catch (error) {
    if (!(error instanceof RejectedCall) || error.rejection.kind !== 'program-unavailable') throw error;
    throw new Skipped('the server has no NFSACL');
  }
  return handle;
}

const granted = async (session: Session, handle: Uint8Array): Promise<number> =>
  (await session.ok(procedures.access, { handle, access: 0x3f })).access;

const writes = accessBit.modify | accessBit.extend;

export const aclChecks: readonly Check[] = [
  must(
    'minimal',
    'A file without a list has four entries of what its mode says, in order',
    'nfsacl_encode',
    async (place) => {
      const { acls, mask } = await getAcl(place.session, await listed(place, 0o640));
      same(told(acls.access), ['1 6', '4 4', '16 4', '32 0'], 'its entries');
      same(acls.accessCount, 4, 'their number');
      same([acls.inheritedCount, acls.inherited.length], [0, 0], 'of what is inherited');
      same(mask, all, 'the mask');
    },
  ),
  must('counts', 'Numbers of entries are told without them', 'nfsd3_proc_getacl', async (place) => {
    const { acls } = await getAcl(place.session, await listed(place), aclBit.accessCount);
    same([acls.accessCount, acls.access.length], [4, 0], 'number and entries');
  }),
  must('mask', 'What there is not to ask for is INVAL', 'nfsd3_proc_getacl', async (place) => {
    const handle = await listed(place);
    const outcome = await place.session.nfs.callAcl(nfsAclProcedures.get, { handle, mask: 0x40 });
    same(statusName(outcome.status), 'invalid', 'the status');
  }),
  must('set', 'A list that is set is told as it is, in order', 'nfsd3_proc_setacl', async (place) => {
    const handle = await listed(place);
    await changeAcl(place.session, handle, lists(shared(6).toReversed()));
    same(told((await getAcl(place.session, handle)).acls.access), told(shared(6)), 'its entries');
    same((await place.attributes(handle)).mode & 0o777, 0o670, 'its mode');
  }),
  must('allow', 'Whom a list lets read and write does', 'acl(5)', async (place) => {
    const handle = await listed(place, 0o600);
    const other = await place.as(stranger);
    await changeAcl(place.session, handle, lists(shared(6)));
    same((await granted(other, handle)) & (accessBit.read | writes), accessBit.read | writes, 'what it may');
    await other.ok(procedures.read, { handle, offset: 0, count: 10 });
  }),
  must('deny', 'Whom a list does not let read does not, whatever others may', 'acl(5)', async (place) => {
    const handle = await listed(place, 0o644);
    const other = await place.as(stranger);
    const acl = shared(0).map((each) => (each.type === aclType.others ? { ...each, permissions: 6 } : each));
    await changeAcl(place.session, handle, lists(acl));
    same(await granted(other, handle), 0, 'what it may');
    await other.fails(procedures.read, { handle, offset: 0, count: 10 }, status.access);
  }),
  must('chmod', 'The mode’s bits of the group are the mask', 'acl(5)', async (place) => {
    const handle = await listed(place);
    const other = await place.as(stranger);
    await changeAcl(place.session, handle, lists(shared(6)));
    const attributes = { ...nothingSet, mode: 0o640 };
    await place.session.ok(procedures.setAttributes, { handle, attributes, guard: undefined });
    const mask = (await getAcl(place.session, handle)).acls.access.find(({ type }) => type === aclType.mask);
    same(mask?.permissions, 4, 'the mask');
    same((await granted(other, handle)) & (accessBit.read | writes), accessBit.read, 'what a user may');
  }),
  must('changed', 'A list that is set changes ctime, and not mtime', 'nfsd3_proc_setacl', async (place) => {
    const handle = await listed(place);
    const before = await place.attributes(handle);
    await changeAcl(place.session, handle, lists(shared(6)));
    const after = await place.attributes(handle);
    same(after.modified, before.modified, 'mtime');
    expect(JSON.stringify(after.changed) !== JSON.stringify(before.changed), 'ctime is what it was');
  }),
  must('remove', 'A list of four entries that a mode says is none', 'posix_acl_from_nfsacl', async (place) => {
    const handle = await listed(place);
    await changeAcl(place.session, handle, lists(shared(6)));
    const acl = [entry(1, 6, owner.uid), entry(4, 4, owner.gid), entry(16, 4), entry(32, 0)];
    await changeAcl(place.session, handle, lists(acl));
    same(told((await getAcl(place.session, handle)).acls.access), told(acl), 'its entries');
    const other = await place.as(stranger);
    same(await granted(other, handle), 0, 'what a user may who was in it');
  }),
  must('owner', 'Only the owner sets a list: PERM or ACCES', 'set_posix_acl', async (place) => {
    const handle = await listed(place, 0o666);
    const { status: found } = await setAcl(await place.as(stranger), handle, lists(shared(6)));
    expect(found === status.notOwner || found === status.access, `it is ${statusName(found)}`);
  }),
  must('invalid', 'What is no list is refused, and nothing is changed', 'posix_acl_valid', async (place) => {
    const handle = await listed(place);
    for (const acl of [shared(6).slice(1), [...shared(6), entry(aclType.mask, 1)], [...shared(6), entry(64, 1)]]) {
      const found = await setAcl(place.session, handle, lists(acl)).then(
        ({ status: each }) => each,
        (error: unknown) => {
          if (error instanceof RejectedCall) return status.invalid;
          throw error;
        },
      );
      expect(found !== status.ok, `${told(acl).join(', ')} was taken`);
    }
    same((await getAcl(place.session, handle)).acls.accessCount, 4, 'the number of entries');
  }),
  must(
    'inherited',
    'What is made in a directory has its default list, less what was not asked for',
    'acl(5)',
    async (place) => {
      await listed(place);
      const directory = await place.makeDirectory('directory', 0o755);
      const acl = [entry(1, 7, owner.uid), entry(4, 5, owner.gid), entry(16, 5), entry(32, 5)];
      await changeAcl(place.session, directory, lists(acl, flagged(sharedDirectory)), aclBit.access | aclBit.inherited);
      const { acls } = await getAcl(place.session, directory);
      same(told(acls.inherited), told(flagged(sharedDirectory)), 'the default list');
      const how = { mode: 'guarded', attributes: { ...nothingSet, mode: 0o664 } } as const;
      const file = await place.made(
        place.session.ok(procedures.create, { directory, name: named('made'), how }),
        'made',
        directory,
      );
      const made = (await getAcl(place.session, file)).acls;
      same(made.access.find(({ type }) => type === aclType.user)?.permissions, 7, 'what the user has');
      same(made.access.find(({ type }) => type === aclType.mask)?.permissions, 6, 'the mask');
      same((await place.attributes(file)).mode & 0o777, 0o660, 'the mode');
      const below = await place.makeDirectory('below', 0o755, directory);
      const passed = (await getAcl(place.session, below)).acls;
      same(told(passed.inherited), told(flagged(sharedDirectory)), 'what a directory passes on');
    },
  ),
  should('no-directory', 'Only directories have default lists', 'set_posix_acl', async (place) => {
    const handle = await listed(place);
    const both = aclBit.access | aclBit.inherited;
    const { status: found } = await setAcl(place.session, handle, lists(shared(6), flagged(shared(6))), both);
    expect(found !== status.ok, 'a file has taken one');
  }),
  must('many', 'A list of more entries than there may be ends nothing but its call', 'nfsacl_decode', async (place) => {
    const handle = await listed(place);
    const rpc = place.session.nfs.rpc;
    const { number } = nfsAclProcedures.set;
    const call = rpc.call(
      nfsAclProgram,
      nfsAclVersion,
      number,
      (writer) =>
        void writer
          .opaque(handle)
          .u32(aclBit.access)
          .u32(mostNfsAclEntries + 1)
          .u32(0xffff_ffff),
    );
    const found = await call.then(
      (reader) => reader.u32(),
      () => status.invalid,
    );
    expect(found !== status.ok, 'it was taken');
    const again = await place.as(owner);
    same((await getAcl(again, handle)).acls.accessCount, 4, 'the number of entries');
  }),
];
