import type { Acl, AclEntry, FileTree, TreeAcls } from '@ashlar/core';
import type { ExecutionContext } from 'ava';
import { by, kindOf, named, other, root, user, type TreeCheck } from './subject.ts';

const entry = (tag: AclEntry['tag'], permissions: number, id = 0): AclEntry => ({ tag, id, permissions });
const minimal = (mode: number): Acl => [
  entry('owner', mode >> 6),
  entry('owning-group', (mode >> 3) & 7),
  entry('others', mode & 7),
];
/** Of a file that `other` may use beside its owner. */
const shared = (permissions: number, mask = 7): Acl => [
  entry('owner', 6),
  entry('user', permissions, other.uid),
  entry('owning-group', 0),
  entry('mask', mask),
  entry('others', 0),
];
const sharedDirectory: Acl = shared(7).map((each) => (each.tag === 'owner' ? entry('owner', 7) : each));

const create = async (tree: FileTree, directory = tree.root, name = 'file', mode = 0o644) =>
  await tree.create(directory, named(name), { mode: 'guarded', attributes: { mode } }, by(user));
const makeDirectory = async (tree: FileTree, directory = tree.root, name = 'directory') =>
  await tree.makeDirectory(directory, named(name), { mode: 0o777 }, by(user));

type AclBody = (t: ExecutionContext, tree: FileTree, acls: TreeAcls) => Promise<void>;

/** Access control lists, of trees that have them. */
export function aclTests(treeCheck: TreeCheck): void {
  const check = (title: string, body: AclBody): void =>
    treeCheck(title, async (t, tree) => {
      if (tree.acls === undefined) t.pass();
      else await body(t, tree, tree.acls);
    });

  check('a file without a list has what its mode says, and a list of that is none', async (t, tree, acls) => {
    const { attributes, file } = await create(tree);
    t.deepEqual(await acls.get(file), { access: minimal(0o644), inherited: [], attributes });
    const { after } = await acls.set(file, { access: minimal(0o600).toReversed() }, by(user));
    t.is(after?.mode, 0o600);
    t.deepEqual((await acls.get(file)).access, minimal(0o600));
  });

  check(
    'a list that is set is told, with what it makes of the mode, and changes ctime alone',
    async (t, tree, acls) => {
      const { attributes, file } = await create(tree);
      const { after, before } = await acls.set(file, { access: shared(4, 5).toReversed() }, by(user));
      t.deepEqual(before?.changed, attributes.changed);
      t.is(after?.mode, 0o650);
      t.notDeepEqual(after?.changed, attributes.changed);
      t.deepEqual(after?.modified, attributes.modified);
      t.deepEqual(await acls.get(file), { access: shared(4, 5), inherited: [], attributes: after! });
      t.deepEqual(await tree.getAttributes(file), after!);
    },
  );

  check('a list gives and takes what its mode alone would not', async (t, tree, acls) => {
    const { file } = await create(tree, tree.root, 'file', 0o666);
    t.is(await kindOf(() => tree.read(file, 0, new Uint8Array(1), other)), undefined);
    await acls.set(file, { access: shared(0) }, by(user));
    t.is(await kindOf(() => tree.read(file, 0, new Uint8Array(1), other)), 'denied');
    t.is((await tree.access(file, 0x3f, other)).granted, 0);
    await acls.set(file, { access: shared(6) }, by(user));
    t.is(await kindOf(() => tree.write(file, 0, named('a'), 'unstable', other)), undefined);
    t.is((await tree.access(file, 0x3f, other)).granted, 0b1101);
    t.is((await tree.access(file, 0x3f, { uid: 7, gid: user.gid, gids: [] })).granted, 0);
  });

  check('a directory with a list is searched, listed and changed by it', async (t, tree, acls) => {
    const { file: directory } = await makeDirectory(tree);
    await create(tree, directory);
    const how = { mode: 'guarded', attributes: {} } as const;
    await acls.set(directory, { access: shared(1) }, by(user));
    t.is(await kindOf(() => tree.lookup(directory, named('file'), other)), undefined);
    t.is(await kindOf(() => tree.list(directory, 0n, 10, false, other)), 'denied');
    t.is(await kindOf(() => tree.create(directory, named('b'), how, by(other))), 'denied');
    await acls.set(directory, { access: shared(7) }, by(user));
    t.is(await kindOf(() => tree.list(directory, 0n, 10, false, other)), undefined);
    t.is(await kindOf(() => tree.create(directory, named('b'), how, by(other))), undefined);
    t.is(await kindOf(() => tree.remove(directory, named('file'), by(other))), undefined);
  });

  check('the mode’s bits of the group are the mask, whichever is changed', async (t, tree, acls) => {
    const { file } = await create(tree);
    await acls.set(file, { access: shared(7) }, by(user));
    await tree.setAttributes(file, { mode: 0o641 }, undefined, by(user));
    t.deepEqual((await acls.get(file)).access, [
      entry('owner', 6),
      entry('user', 7, other.uid),
      entry('owning-group', 0),
      entry('mask', 4),
      entry('others', 1),
    ]);
    t.is((await tree.access(file, 0x3f, other)).granted, 1);
    await tree.setAttributes(file, { mode: 0o600 }, undefined, by(user));
    t.is((await tree.access(file, 0x3f, other)).granted, 0);
  });

  check('a file that is given away keeps its list, which is its new owner’s', async (t, tree, acls) => {
    const { file } = await create(tree);
    await acls.set(file, { access: shared(4) }, by(user));
    await tree.setAttributes(file, { uid: 5000 }, undefined, by(root));
    t.deepEqual((await acls.get(file)).access, shared(4));
    t.is(await kindOf(() => acls.set(file, { access: [] }, by(user))), 'not-owner');
    await acls.set(file, { access: [] }, by({ uid: 5000, gid: 1, gids: [] }));
    t.deepEqual((await acls.get(file)).access, minimal(0o670));
    t.is((await tree.access(file, 0x3f, other)).granted, 0);
  });

  check('files that are made in a directory inherit its list, and directories pass it on', async (t, tree, acls) => {
    const { file: directory } = await makeDirectory(tree);
    await acls.set(directory, { inherited: sharedDirectory }, by(user));
    t.deepEqual((await acls.get(directory)).access, minimal(0o777));
    const made = await create(tree, directory, 'file', 0o666);
    t.is(made.attributes.mode, 0o660);
    t.deepEqual((await acls.get(made.file)).access, shared(7, 6));
    t.deepEqual((await acls.get(made.file)).inherited, []);
    const below = await makeDirectory(tree, directory);
    t.deepEqual(await acls.get(below.file), {
      access: sharedDirectory,
      inherited: sharedDirectory,
      attributes: below.attributes,
    });
    const fifo = await tree.makeNode(below.file, named('p'), 'fifo', { major: 0, minor: 0 }, { mode: 0o640 }, by(user));
    t.deepEqual((await acls.get(fifo.file)).access, shared(7, 4));
    const link = await tree.makeLink(below.file, named('l'), named('x'), {}, by(user));
    t.is(link.attributes.mode, 0o777);
    await acls.set(directory, { inherited: [] }, by(user));
    t.deepEqual((await acls.get((await create(tree, directory, 'later')).file)).access, minimal(0o644));
  });

  check('an exclusive file has its list once its mode is set', async (t, tree, acls) => {
    const { file: directory } = await makeDirectory(tree);
    await acls.set(directory, { inherited: sharedDirectory }, by(user));
    const how = { mode: 'exclusive', verifier: Buffer.from('01234567') } as const;
    const { attributes, file } = await tree.create(directory, named('x'), how, by(user));
    t.is(attributes.mode, 0);
    await tree.setAttributes(file, { mode: 0o640 }, undefined, by(user));
    t.deepEqual((await acls.get(file)).access, shared(7, 4));
  });

  check('a file keeps its list under another name, in another directory', async (t, tree, acls) => {
    const { file } = await create(tree);
    await acls.set(file, { access: shared(4) }, by(user));
    const { file: directory } = await makeDirectory(tree);
    await tree.rename(tree.root, named('file'), directory, named('moved'), by(user));
    await tree.write(file, 0, named('some text'), 'file', user);
    t.deepEqual((await acls.get(file)).access, shared(4));
  });

  check(
    'lists are set by whom they belong to, of what has them, and nothing else is taken for one',
    async (t, tree, acls) => {
      const { file } = await create(tree, tree.root, 'file', 0o666);
      t.is(await kindOf(() => acls.set(file, { access: shared(7) }, by(other))), 'not-owner');
      t.is(await kindOf(() => acls.set(file, { inherited: shared(7) }, by(user))), 'denied');
      t.is(await kindOf(() => acls.set(file, { access: shared(7).slice(1) }, by(user))), 'invalid');
      t.is(await kindOf(() => acls.set(file, { access: [...shared(7), entry('mask', 1)] }, by(user))), 'invalid');
      const { file: link } = await tree.makeLink(tree.root, named('link'), named('x'), {}, by(user));
      t.is(await kindOf(() => acls.set(link, { access: minimal(0o777) }, by(root))), 'unsupported');
      t.deepEqual((await acls.get(link)).access, minimal(0o777));
      t.deepEqual((await acls.get(file)).access, minimal(0o666));
      await tree.remove(tree.root, named('file'), by(user));
      t.is(await kindOf(() => acls.get(file)), 'stale');
    },
  );

  check('a list of very many entries is kept', async (t, tree, acls) => {
    const { file } = await create(tree);
    const users = Array.from({ length: 1020 }, (_, at) => entry('user', at & 7, at));
    const [owner, , ...rest] = shared(0);
    const access = [owner!, ...users, ...rest];
    await acls.set(file, { access }, by(user));
    await tree.write(file, 0, named('a'), 'file', user);
    t.deepEqual((await acls.get(file)).access, access);
    t.is(await kindOf(() => acls.set(file, { access: [...access, entry('user', 1, 5000)] }, by(user))), 'invalid');
  });
}
