import { fileAccess, type AclEntry, type Credentials, type FileType, type NewFileAttributes } from '@ashlar/core';
import { failsWith } from '@ashlar/testing';
import test from 'ava';
import {
  checkList,
  checkMake,
  checkMove,
  checkNewAcls,
  checkNewAttributes,
  checkRead,
  checkSearch,
  checkTake,
  checkWrite,
  grantedAccess,
  isInGroup,
  modeAfterWrite,
  ownershipIn,
} from './permissions.ts';

const root: Credentials = { uid: 0, gid: 0, gids: [] };
const owner: Credentials = { uid: 1, gid: 10, gids: [] };
const member: Credentials = { uid: 2, gid: 20, gids: [30, 10] };
const other: Credentials = { uid: 3, gid: 20, gids: [] };

const file = (mode: number, type: FileType = 'regular') => ({ mode, type, uid: 1, gid: 10 });
const { read, lookup, modify, extend, execute } = fileAccess;
const all = read | lookup | modify | extend | fileAccess.delete | execute;

test('the first of owner, group and others that a caller is counts, whatever the others have', (t) => {
  t.is(grantedAccess(file(0o077), all, owner), 0);
  t.is(grantedAccess(file(0o707), all, member), 0);
  t.is(grantedAccess(file(0o770), all, other), 0);
  t.is(grantedAccess(file(0o400), all, owner), read);
  t.is(grantedAccess(file(0o020), all, member), modify | extend);
  t.is(grantedAccess(file(0o001), all, other), execute);
  t.true(isInGroup(member, 20) && isInGroup(member, 30) && !isInGroup(member, 40));
});

const entry = (tag: AclEntry['tag'], permissions: number, id = 0): AclEntry => ({ tag, id, permissions });
const listed = (mode: number, ...access: readonly AclEntry[]) => ({ ...file(mode), acls: { access, inherited: [] } });

test('by a list a caller has its own entry, or else any of those of its groups, as far as the mask goes', (t) => {
  const some = listed(
    0o664,
    entry('user', 4, 3),
    entry('owning-group', 0),
    entry('group', 6, 30),
    entry('group', 4, 20),
  );
  t.is(grantedAccess(some, all, other), read);
  t.is(grantedAccess(some, all, member), read | modify | extend);
  t.is(grantedAccess({ ...some, mode: 0o644 }, all, member), read);
  t.is(grantedAccess({ ...some, mode: 0o604 }, all, other), 0);
  t.is(grantedAccess({ ...some, mode: 0o604 }, all, member), 0);
  t.is(grantedAccess(some, all, owner), read | modify | extend);
  t.is(grantedAccess(some, all, { uid: 9, gid: 99, gids: [] }), read);
  t.is(grantedAccess(some, all, { uid: 9, gid: 10, gids: [] }), 0);
  t.is(grantedAccess(some, all, root), read | modify | extend);
});

test('by a list no two entries are taken together, and the owner’s is the mode’s', (t) => {
  const some = listed(0o077, entry('user', 7, 1), entry('owning-group', 4), entry('group', 2, 20));
  t.is(grantedAccess(some, all, owner), 0);
  const directory = { ...some, type: 'directory' as const };
  const parted = { ...directory, acls: { access: [entry('owning-group', 1), entry('group', 2, 20)], inherited: [] } };
  t.is(grantedAccess(parted, all, { uid: 9, gid: 10, gids: [20] }), lookup);
});

test('lists are set by the owner, and inherited from directories', async (t) => {
  const lists = { access: [], inherited: [entry('owner', 7)] };
  t.is(checkNewAcls(file(0o755, 'directory'), lists, 0o700, owner), 0o700);
  await failsWith(t, 'not-owner', () => checkNewAcls(file(0o777, 'directory'), lists, 0o700, member));
  await failsWith(t, 'denied', () => checkNewAcls(file(0o755), lists, 0o700, owner));
  await failsWith(t, 'unsupported', () => checkNewAcls(file(0o777, 'link'), {}, 0o777, root));
  t.is(checkNewAcls(file(0o2755), { inherited: [] }, 0o2755, { ...owner, gid: 11 }), 0o755);
});

test('root reads and writes everything, and executes what somebody may', (t) => {
  t.is(grantedAccess(file(0), all, root), read | modify | extend);
  t.is(grantedAccess(file(0o010), all, root), read | modify | extend | execute);
  t.is(grantedAccess(file(0, 'directory'), all, root), all & ~execute);
});

test('entries of a directory are changed by who may write to it and search it', (t) => {
  t.is(grantedAccess(file(0o200, 'directory'), all, owner), 0);
  t.is(grantedAccess(file(0o300, 'directory'), all, owner), lookup | modify | extend | fileAccess.delete);
  t.is(grantedAccess(file(0o400, 'directory'), all, owner), read);
  t.is(grantedAccess(file(0o700, 'directory'), read | execute, owner), read);
});

test('the owner of a file reads and writes it whatever its mode, and who may execute it reads it', async (t) => {
  t.notThrows(() => checkRead(file(0), owner));
  t.notThrows(() => checkWrite(file(0o400), owner));
  t.notThrows(() => checkRead(file(0o001), other));
  await failsWith(t, 'denied', () => checkRead(file(0o702), other));
  await failsWith(t, 'denied', () => checkWrite(file(0o745), other));
  await failsWith(t, 'denied', () => checkWrite(file(0o755), member));
});

test('a directory is searched, listed and changed by its mode, by its owner too', async (t) => {
  await failsWith(t, 'denied', () => checkSearch(file(0o600, 'directory'), owner));
  await failsWith(t, 'denied', () => checkList(file(0o300, 'directory'), owner));
  await failsWith(t, 'denied', () => checkMake(file(0o500, 'directory'), owner));
  t.notThrows(() => checkSearch(file(0o001, 'directory'), other));
  t.notThrows(() => checkMake(file(0o030, 'directory'), member));
});

test('in a sticky directory a name is taken by the owner of the file or of the directory', async (t) => {
  const sticky = { ...file(0o1777, 'directory'), uid: 5 };
  t.notThrows(() => checkTake(sticky, file(0o600), owner));
  t.notThrows(() => checkTake(sticky, file(0o600), { ...other, uid: 5 }));
  t.notThrows(() => checkTake(sticky, file(0o600), root));
  await failsWith(t, 'not-owner', () => checkTake(sticky, file(0o666), other));
  t.notThrows(() => checkTake(file(0o777, 'directory'), file(0o600), other));
});

test('a directory is moved to another by who may write to it, and a file by anybody who may take its name', async (t) => {
  t.notThrows(() => checkMove(file(0o755, 'directory'), owner));
  t.notThrows(() => checkMove(file(0o555, 'directory'), root));
  t.notThrows(() => checkMove(file(0o444), other));
  await failsWith(t, 'denied', () => checkMove(file(0o555, 'directory'), owner));
  await failsWith(t, 'denied', () => checkMove(file(0o755, 'directory'), other));
});

test('a new file is the caller’s, or the group’s of a directory that says so', (t) => {
  t.deepEqual(ownershipIn(file(0o755, 'directory'), 'regular', 0o100644, other), { mode: 0o644, uid: 3, gid: 20 });
  const shared = file(0o2775, 'directory');
  t.deepEqual(ownershipIn(shared, 'regular', 0o644, other), { mode: 0o644, uid: 3, gid: 10 });
  t.deepEqual(ownershipIn(shared, 'directory', 0o755, other), { mode: 0o2755, uid: 3, gid: 10 });
  t.is(ownershipIn(shared, 'regular', 0o2755, other).mode, 0o755);
  t.is(ownershipIn(shared, 'regular', 0o2755, member).mode, 0o2755);
  t.is(ownershipIn(shared, 'regular', 0o2755, root).mode, 0o2755);
});

test('a program that somebody but root wrote to runs as nobody else any more', (t) => {
  t.is(modeAfterWrite(0o6755, owner), 0o755);
  t.is(modeAfterWrite(0o6745, owner), 0o2745);
  t.is(modeAfterWrite(0o6755, root), 0o6755);
});

const set = (change: NewFileAttributes, who: Credentials, mode = 0o644, type: FileType = 'regular') =>
  checkNewAttributes(file(mode, type), change, who);

test('only root gives a file away, and an owner to groups of its own', async (t) => {
  t.deepEqual(set({ uid: 9, gid: 99 }, root), { mode: 0o644, uid: 9, gid: 99 });
  await failsWith(t, 'not-owner', () => set({ uid: 9 }, owner));
  await failsWith(t, 'not-owner', () => set({ uid: 1 }, other));
  await failsWith(t, 'not-owner', () => set({ gid: 99 }, owner));
  await failsWith(t, 'not-owner', () => set({ gid: 20 }, other));
  t.is(set({ uid: 1, gid: 10 }, owner).gid, 10);
  t.is(set({ gid: 77 }, { ...owner, gids: [77] }).gid, 77);
});

test('a program that changes hands runs as nobody else any more', (t) => {
  t.is(set({ uid: 9 }, root, 0o6755).mode, 0o755);
  t.is(set({ gid: 10 }, owner, 0o6755).mode, 0o755);
  t.is(set({ uid: 9, mode: 0o6711 }, root).mode, 0o711);
  t.is(set({ uid: 9 }, root, 0o2755, 'directory').mode, 0o2755);
});

test('a mode is set by the owner, without the bit of a group that it is not in', async (t) => {
  t.is(set({ mode: 0o100600 }, owner).mode, 0o600);
  await failsWith(t, 'not-owner', () => set({ mode: 0o600 }, member, 0o666));
  t.is(set({ mode: 0o2755 }, { ...owner, gid: 11 }).mode, 0o755);
  t.is(set({ mode: 0o2755 }, { ...owner, gid: 11, gids: [10] }).mode, 0o2755);
});

test('a size is set by who may write, of regular files', async (t) => {
  t.is(set({ sizeBytes: 5 }, member, 0o6675).mode, 0o675);
  await failsWith(t, 'denied', () => set({ sizeBytes: 5 }, other));
  t.notThrows(() => set({ sizeBytes: 5 }, owner, 0o400));
  await failsWith(t, 'is-directory', () => set({ sizeBytes: 5 }, root, 0o755, 'directory'));
  await failsWith(t, 'invalid', () => set({ sizeBytes: 5 }, root, 0o755, 'fifo'));
});

test('times of its own are set by the owner, and the server’s by who may write', async (t) => {
  const given = { seconds: 1, nanoseconds: 0 };
  t.notThrows(() => set({ accessed: given, modified: given }, owner, 0));
  await failsWith(t, 'not-owner', () => set({ modified: given }, other, 0o666));
  t.notThrows(() => set({ accessed: 'now', modified: 'now' }, other, 0o666));
  await failsWith(t, 'denied', () => set({ modified: 'now' }, other));
  t.notThrows(() => set({ accessed: 'keep', modified: 'keep' }, other, 0));
});
