import {
  accessBit,
  aclBit,
  aclType,
  inheritedType,
  nfsAclProcedures,
  procedures,
  status,
  type NfsAclEntry,
  nothingSet,
} from '@ashlar/nfs';
import test, { type ExecutionContext } from 'ava';
import { root, serveTree, user, type Served } from './server.ts';

const { get, set } = nfsAclProcedures;
const all = aclBit.access | aclBit.accessCount | aclBit.inherited | aclBit.inheritedCount;
const both = aclBit.access | aclBit.inherited;
const none = { accessCount: 0, access: [], inheritedCount: 0, inherited: [] };
const other = { ...user, uid: 2000, gid: 300, gids: [] };
const entry = (type: number, id: number, permissions: number): NfsAclEntry => ({ type, id, permissions });
/** As Linux has one of a mode: with a mask that is as the group. */
const short = [entry(1, 1000, 6), entry(4, 100, 4), entry(16, 0, 4), entry(32, 0, 4)];
const shared = [entry(1, 1000, 6), entry(2, 2000, 6), entry(4, 100, 0), entry(16, 0, 6), entry(32, 0, 0)];
const open = short.map((each) => (each.type === aclType.owner ? entry(1, 1000, 7) : each));
const flagged = (entries: readonly NfsAclEntry[]): NfsAclEntry[] =>
  entries.map((each) => ({ ...each, type: each.type | inheritedType }));
const setting = (access: readonly NfsAclEntry[], inherited: readonly NfsAclEntry[] = []) => ({
  accessCount: access.length,
  access,
  inheritedCount: inherited.length,
  inherited,
});
async function withFile(t: ExecutionContext, served?: Served) {
  const { connect, port, store, tree } = served ?? (await serveTree(t));
  const client = await connect();
  const { handle: directory } = await client.mount('/data');
  const how = { mode: 'guarded', attributes: { ...nothingSet, mode: 0o644 } } as const;
  const made = await client.call(procedures.create, { directory, name: Buffer.from('file'), how });
  return { connect, port, store, tree, client, directory, handle: made.ok!.handle! };
}

test('a file without a list has four entries of what its mode says, and whoever asks is told', async (t) => {
  const { client, connect, handle } = await withFile(t);
  t.is((await client.rpc.call(100_227, 3, 0, () => undefined)).rest, 0);
  const { ok } = await client.callAcl(get, { handle, mask: all });
  t.deepEqual(ok!.acls, { ...none, accessCount: 4, access: short });
  t.is(ok!.mask, all);
  t.is(ok!.after!.mode, 0o644);
  const stranger = await connect(other);
  const counts = await stranger.callAcl(get, { handle, mask: aclBit.accessCount });
  t.deepEqual(counts.ok!.acls, { ...none, accessCount: 4 });
  t.deepEqual((await stranger.callAcl(get, { handle, mask: 0 })).ok!.acls, none);
});

test('a list is set in any order, told in its own, and decides who may', async (t) => {
  const { client, connect, handle } = await withFile(t);
  const stranger = await connect(other);
  const may = async () => (await stranger.call(procedures.access, { handle, access: 0x3f })).ok!.access;
  t.is(await may(), accessBit.read);
  const outcome = await client.callAcl(set, { handle, mask: aclBit.access, acls: setting(shared.toReversed()) });
  t.is(outcome.ok!.after!.mode, 0o660);
  t.deepEqual((await client.callAcl(get, { handle, mask: both })).ok!.acls, {
    ...none,
    accessCount: 5,
    access: shared,
  });
  t.is(await may(), accessBit.read | accessBit.modify | accessBit.extend);
  await client.call(procedures.setAttributes, {
    handle,
    attributes: { ...nothingSet, mode: 0o640 },
    guard: undefined,
  });
  t.is(await may(), accessBit.read);
  await client.callAcl(set, { handle, mask: aclBit.access, acls: setting(short) });
  t.is(await may(), accessBit.read);
  t.deepEqual((await client.callAcl(get, { handle, mask: all })).ok!.acls.access, short);
});

test('a list that is inherited has its entries marked, and files have it that are made there', async (t) => {
  const { client, directory, handle } = await withFile(t);
  const name = Buffer.from('d');
  const attributes = { ...nothingSet, mode: 0o700 };
  const made = await client.call(procedures.makeDirectory, { directory, name, attributes });
  const below = made.ok!.handle!;
  await client.callAcl(set, { handle: below, mask: both, acls: setting(open, flagged(shared)) });
  t.deepEqual((await client.callAcl(get, { handle: below, mask: all })).ok!.acls, setting(open, flagged(shared)));
  // What is not in the mask stays.
  await client.callAcl(set, { handle: below, mask: aclBit.access, acls: setting(open) });
  const how = { mode: 'guarded', attributes: { ...nothingSet, mode: 0o666 } } as const;
  const file = await client.call(procedures.create, { directory: below, name, how });
  t.is(file.ok!.after!.mode, 0o660);
  const found = await client.callAcl(get, { handle: file.ok!.handle!, mask: all });
  t.deepEqual(found.ok!.acls, setting(shared));
  const refused = await client.callAcl(set, { handle, mask: both, acls: setting(short, flagged(short)) });
  t.is(refused.status, status.access);
  t.is(refused.fail!.after!.mode, 0o644);
});

test('what is none, or is not the caller’s to set, is refused with its status', async (t) => {
  const { client, connect, directory, handle } = await withFile(t);
  const statusOf = async (mask: number, acls = setting(shared), who = client, of = handle) =>
    (await who.callAcl(set, { handle: of, mask, acls })).status;
  t.is(await statusOf(aclBit.access, setting(shared), await connect(other)), status.notOwner);
  t.is(await statusOf(16), status.invalid);
  t.is((await client.callAcl(get, { handle, mask: 16 })).status, status.invalid);
  t.is(await statusOf(aclBit.access, { ...setting(shared), accessCount: 3 }), status.invalid);
  t.is(await statusOf(aclBit.access, setting(shared.slice(1))), status.invalid);
  t.is(await statusOf(aclBit.access, setting([...short, entry(64, 0, 0)])), status.invalid);
  t.is(await statusOf(aclBit.access, setting([...shared, entry(8, 1, 8)])), status.invalid);
  t.is(await statusOf(aclBit.access, setting(shared), client, Buffer.alloc(32, 1)), status.badHandle);
  const args = { directory, name: Buffer.from('l'), attributes: nothingSet, text: Buffer.from('x') };
  const link = (await client.call(procedures.makeLink, args)).ok!.handle!;
  t.is(await statusOf(aclBit.access, setting(short), client, link), status.notSupported);
  t.is((await client.callAcl(get, { handle: link, mask: all })).ok!.acls.accessCount, 4);
  t.deepEqual((await client.callAcl(get, { handle, mask: all })).ok!.acls.access, short);
});

test('an export without lists says that there are none, obeys them, and one to be read is not changed', async (t) => {
  const { client, connect, handle, tree } = await withFile(t, await serveTree(t, { acls: false }));
  t.is((await client.callAcl(get, { handle, mask: all })).status, status.notSupported);
  t.is((await client.callAcl(set, { handle, mask: 1, acls: setting(shared) })).status, status.notSupported);
  const who = { uid: user.uid, gid: user.gid, gids: [] };
  const { file } = await tree.lookup(tree.root, Buffer.from('file'), who);
  const access = [
    { tag: 'owner', id: 0, permissions: 6 },
    { tag: 'user', id: other.uid, permissions: 0 },
    { tag: 'owning-group', id: 0, permissions: 4 },
    { tag: 'mask', id: 0, permissions: 4 },
    { tag: 'others', id: 0, permissions: 4 },
  ] as const;
  await tree.acls!.set(file, { access }, { who });
  const stranger = await connect(other);
  t.is((await stranger.call(procedures.access, { handle, access: 0x3f })).ok!.access, 0);
  const readOnly = await serveTree(t, { readOnly: true });
  const reader = await readOnly.connect(root);
  const { handle: directory } = await reader.mount('/data');
  const refused = await reader.callAcl(set, { handle: directory, mask: 1, acls: setting(short) });
  t.is(refused.status, status.readOnly);
  t.is((await reader.callAcl(get, { handle: directory, mask: all })).status, 0);
});

test('a tree that has no lists says so', async (t) => {
  const { tree } = await serveTree(t);
  const poor = new Proxy(tree, {
    get: (target, name) => {
      const value: unknown = name === 'acls' ? undefined : Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  const served = await serveTree(t, { tree: poor, fileSystem: 78n });
  const client = await served.connect();
  const { handle } = await client.mount('/data');
  t.is((await client.callAcl(get, { handle, mask: all })).status, status.notSupported);
});

test('a list that is set again by the same call is set once, behind a restart too', async (t) => {
  const { client, handle, store } = await withFile(t);
  const args = { handle, mask: aclBit.access, acls: setting(shared) };
  const xid = 0x7777;
  const first = await client.callAcl(set, args, xid);
  const again = await client.callAcl(set, args, xid);
  t.deepEqual(again, first);
  const attributes = { ...nothingSet, mode: 0o600 };
  await client.call(procedures.setAttributes, { handle, attributes, guard: undefined });
  const restarted = await serveTree(t, {}, store.afterKill());
  const later = await restarted.connect();
  t.deepEqual(await later.callAcl(set, args, xid), first);
  t.is((await later.call(procedures.getAttributes, { handle })).ok!.attributes.mode, 0o600);
});

test('a list of as many entries as can be is set and told', async (t) => {
  const { client, handle } = await withFile(t);
  const users = Array.from({ length: 1020 }, (_, at) => entry(2, at, at & 7));
  const [owner, , ...rest] = shared;
  const access = [owner!, ...users, ...rest];
  t.is(access.length, 1024);
  t.is((await client.callAcl(set, { handle, mask: 1, acls: setting(access) })).status, 0);
  t.deepEqual((await client.callAcl(get, { handle, mask: all })).ok!.acls, setting(access));
});
