import type { Credentials, FileHandle, FileTree } from '@ashlar/core';
import { by, kindOf, named, other, root, user, type TreeCheck } from './subject.ts';

const file = { mode: 'guarded', attributes: { mode: 0o644 } } as const;

async function create(tree: FileTree, directory: FileHandle, name: string): Promise<FileHandle> {
  return (await tree.create(directory, named(name), file, by(user))).file;
}

const makeDirectory = async (tree: FileTree, directory: FileHandle, name: string): Promise<FileHandle> =>
  (await tree.makeDirectory(directory, named(name), { mode: 0o755 }, by(user))).file;

const isSame = (one: FileHandle, two: FileHandle): boolean => Buffer.from(one).equals(two);

/** What names are of, and what becomes of files by them. */
export function nameTests(check: TreeCheck): void {
  check('a file that is made is found by its name, and has what it was made with', async (t, tree) => {
    const made = await tree.create(tree.root, named('ä b'), file, by(user));
    const found = await tree.lookup(tree.root, named('ä b'), user);
    t.true(isSame(found.file, made.file));
    t.deepEqual(found.attributes, made.attributes);
    const { gid, links, mode, sizeBytes, type, uid } = found.attributes;
    t.deepEqual(
      { gid, links, mode, sizeBytes, type, uid },
      { gid: 100, links: 1, mode: 0o644, sizeBytes: 0, type: 'regular', uid: 1000 },
    );
    t.is(await kindOf(() => tree.lookup(tree.root, named('ä'), user)), 'not-found');
    t.is(await kindOf(() => tree.create(tree.root, named('ä b'), file, by(user))), 'exists');
  });

  check('a directory has itself and what it is in among its names', async (t, tree) => {
    const directory = await makeDirectory(tree, tree.root, 'a');
    t.true(isSame((await tree.lookup(directory, named('.'), user)).file, directory));
    t.true(isSame((await tree.lookup(directory, named('..'), user)).file, tree.root));
    t.true(isSame((await tree.lookup(tree.root, named('..'), user)).file, tree.root));
    t.is((await tree.getAttributes(directory)).links, 2);
    const before = (await tree.getAttributes(tree.root)).links;
    await makeDirectory(tree, tree.root, 'b');
    t.is((await tree.getAttributes(tree.root)).links, before + 1);
    await tree.removeDirectory(tree.root, named('b'), by(user));
    t.is((await tree.getAttributes(tree.root)).links, before);
  });

  check('names that can be none are refused, each in its way', async (t, tree) => {
    const made = async (name: string): Promise<string | undefined> => kindOf(() => create(tree, tree.root, name));
    t.is(await made(''), 'invalid');
    t.is(await made('a/b'), 'invalid');
    t.is(await made('a\0b'), 'invalid');
    t.is(await made('.'), 'exists');
    t.is(await made('..'), 'exists');
    t.is(await made('a'.repeat(256)), 'name-too-long');
    t.is(await made('a'.repeat(255)), undefined);
    t.is(await kindOf(() => tree.remove(tree.root, named('.'), by(user))), 'is-directory');
    t.is(await kindOf(() => tree.removeDirectory(tree.root, named('.'), by(user))), 'invalid');
    t.is(await kindOf(() => tree.removeDirectory(tree.root, named('..'), by(user))), 'not-empty');
  });

  check('what is no directory has no names in it', async (t, tree) => {
    const plain = await create(tree, tree.root, 'file');
    t.is(await kindOf(() => tree.lookup(plain, named('a'), user)), 'not-directory');
    t.is(await kindOf(() => create(tree, plain, 'a')), 'not-directory');
    t.is(await kindOf(() => tree.list(plain, 0n, 10, false, user)), 'not-directory');
  });

  check('a file that is removed is gone, and its handle is stale for ever', async (t, tree) => {
    const handle = await create(tree, tree.root, 'a');
    const change = await tree.remove(tree.root, named('a'), by(user));
    t.deepEqual(change.after, await tree.getAttributes(tree.root));
    t.is(await kindOf(() => tree.lookup(tree.root, named('a'), user)), 'not-found');
    await create(tree, tree.root, 'a');
    t.is(await kindOf(() => tree.getAttributes(handle)), 'stale');
    t.is(await kindOf(() => tree.remove(tree.root, named('b'), by(user))), 'not-found');
    t.is(await kindOf(() => tree.getAttributes(new Uint8Array(3))), 'bad-handle');
  });

  check('only an empty directory is removed, and as one', async (t, tree) => {
    const directory = await makeDirectory(tree, tree.root, 'a');
    await create(tree, directory, 'b');
    t.is(await kindOf(() => tree.removeDirectory(tree.root, named('a'), by(user))), 'not-empty');
    t.is(await kindOf(() => tree.remove(tree.root, named('a'), by(user))), 'is-directory');
    t.is(await kindOf(() => tree.removeDirectory(directory, named('b'), by(user))), 'not-directory');
    await tree.remove(directory, named('b'), by(user));
    await tree.removeDirectory(tree.root, named('a'), by(user));
    t.is(await kindOf(() => tree.lookup(directory, named('.'), user)), 'stale');
  });

  check('a file may have several names, and is there until the last is gone', async (t, tree) => {
    const handle = await create(tree, tree.root, 'a');
    const linked = await tree.link(handle, tree.root, named('b'), by(user));
    t.is(linked.attributes.links, 2);
    t.true(isSame((await tree.lookup(tree.root, named('b'), user)).file, handle));
    await tree.remove(tree.root, named('a'), by(user));
    t.is((await tree.getAttributes(handle)).links, 1);
    t.is(await kindOf(() => tree.link(handle, tree.root, named('b'), by(user))), 'exists');
    t.is(await kindOf(() => tree.link(tree.root, tree.root, named('c'), by(root))), 'is-directory');
    await tree.remove(tree.root, named('b'), by(user));
    t.is(await kindOf(() => tree.getAttributes(handle)), 'stale');
  });

  check('a symbolic link has its text, and nothing more', async (t, tree) => {
    const { attributes, file: link } = await tree.makeLink(tree.root, named('l'), named('../ö'), {}, by(user));
    t.is(attributes.type, 'link');
    t.is(attributes.sizeBytes, 5);
    t.deepEqual(Buffer.from((await tree.readLink(link, user)).text), named('../ö'));
    t.is(await kindOf(() => tree.readLink(tree.root, user)), 'invalid');
    t.is(await kindOf(() => tree.read(link, 0, new Uint8Array(1), user)), 'invalid');
    t.is(
      await kindOf(() => tree.makeLink(tree.root, named('m'), Buffer.alloc(5000, 97), {}, by(user))),
      'name-too-long',
    );
  });

  check('sockets and fifos are anybody’s to make, and devices root’s', async (t, tree) => {
    const none = { major: 0, minor: 0 };
    for (const type of ['fifo', 'socket'] as const) {
      const made = await tree.makeNode(tree.root, named(type), type, none, { mode: 0o600 }, by(user));
      t.is(made.attributes.type, type);
    }
    const numbers = { major: 259, minor: 7 };
    t.is(await kindOf(() => tree.makeNode(tree.root, named('d'), 'block', numbers, {}, by(user))), 'not-owner');
    const { attributes } = await tree.makeNode(tree.root, named('d'), 'block', numbers, { mode: 0o660 }, by(root));
    t.deepEqual(attributes.device, numbers);
    t.is(await kindOf(() => tree.makeNode(tree.root, named('e'), 'regular', none, {}, by(root))), 'bad-type');
  });

  check('an exclusive file is made once, and the same call finds it again', async (t, tree) => {
    const how = (text: string) => ({ mode: 'exclusive', verifier: Buffer.from(text) }) as const;
    const first = await tree.create(tree.root, named('a'), how('01234567'), by(user));
    const again = await tree.create(tree.root, named('a'), how('01234567'), by(user));
    t.true(isSame(first.file, again.file));
    t.is(await kindOf(() => tree.create(tree.root, named('a'), how('01234568'), by(user))), 'exists');
    await create(tree, tree.root, 'b');
    t.is(await kindOf(() => tree.create(tree.root, named('b'), how('01234567'), by(user))), 'exists');
  });

  check('a file that is there is taken where that is asked for, and cut where a size is', async (t, tree) => {
    const handle = await create(tree, tree.root, 'a');
    await tree.write(handle, 0, named('hello'), 'unstable', user);
    const unchecked = (attributes: object) => ({ mode: 'unchecked', attributes }) as const;
    const taken = await tree.create(tree.root, named('a'), unchecked({ mode: 0o777 }), by(user));
    t.true(isSame(taken.file, handle));
    t.is(taken.attributes.sizeBytes, 5);
    t.is(taken.attributes.mode, 0o644);
    t.is((await tree.create(tree.root, named('a'), unchecked({ sizeBytes: 0 }), by(user))).attributes.sizeBytes, 0);
    t.is(await kindOf(() => tree.create(tree.root, named('a'), unchecked({ sizeBytes: 0 }), by(other))), 'denied');
    await makeDirectory(tree, tree.root, 'd');
    t.is(await kindOf(() => tree.create(tree.root, named('d'), unchecked({}), by(user))), 'exists');
  });

  check('a change to a directory is told with what it was before and is after', async (t, tree, before) => {
    const attributes = await tree.getAttributes(tree.root);
    const { directoryChange } = await tree.create(tree.root, named('a'), file, by(user));
    t.deepEqual(directoryChange.before, before(attributes));
    t.deepEqual(directoryChange.after, await tree.getAttributes(tree.root));
    t.notDeepEqual(directoryChange.after?.changed, attributes.changed);
  });
}

/** What becomes of names that are changed. */
export function renameTests(check: TreeCheck): void {
  const move = (tree: FileTree, from: FileHandle, one: string, to: FileHandle, two: string) =>
    tree.rename(from, named(one), to, named(two), by(user));

  check('a file keeps its handle under another name, in another directory', async (t, tree) => {
    const [a, b] = [await makeDirectory(tree, tree.root, 'a'), await makeDirectory(tree, tree.root, 'b')];
    const handle = await create(tree, a, 'one');
    const { fromChange, toChange } = await move(tree, a, 'one', b, 'two');
    t.deepEqual(fromChange.after, await tree.getAttributes(a));
    t.deepEqual(toChange.after, await tree.getAttributes(b));
    t.true(isSame((await tree.lookup(b, named('two'), user)).file, handle));
    t.is(await kindOf(() => tree.lookup(a, named('one'), user)), 'not-found');
    await move(tree, b, 'two', b, 'three');
    t.true(isSame((await tree.lookup(b, named('three'), user)).file, handle));
    t.is(await kindOf(() => move(tree, b, 'two', b, 'four')), 'not-found');
  });

  check('a file takes the place of another, and a directory of an empty one', async (t, tree) => {
    const [a, b] = [await create(tree, tree.root, 'a'), await create(tree, tree.root, 'b')];
    await move(tree, tree.root, 'a', tree.root, 'b');
    t.true(isSame((await tree.lookup(tree.root, named('b'), user)).file, a));
    t.is(await kindOf(() => tree.getAttributes(b)), 'stale');
    const [d, e] = [await makeDirectory(tree, tree.root, 'd'), await makeDirectory(tree, tree.root, 'e')];
    const { links } = await tree.getAttributes(tree.root);
    t.is(await kindOf(() => move(tree, tree.root, 'b', tree.root, 'e')), 'is-directory');
    t.is(await kindOf(() => move(tree, tree.root, 'd', tree.root, 'b')), 'not-directory');
    await create(tree, e, 'in');
    t.is(await kindOf(() => move(tree, tree.root, 'd', tree.root, 'e')), 'not-empty');
    await tree.remove(e, named('in'), by(user));
    await move(tree, tree.root, 'd', tree.root, 'e');
    t.true(isSame((await tree.lookup(tree.root, named('e'), user)).file, d));
    t.is((await tree.getAttributes(tree.root)).links, links - 1);
  });

  check('a directory that moves is in another one, and never in itself', async (t, tree) => {
    const a = await makeDirectory(tree, tree.root, 'a');
    const b = await makeDirectory(tree, a, 'b');
    const c = await makeDirectory(tree, b, 'c');
    t.is(await kindOf(() => move(tree, tree.root, 'a', c, 'x')), 'invalid');
    t.is(await kindOf(() => move(tree, tree.root, 'a', a, 'x')), 'invalid');
    const before = (await tree.getAttributes(tree.root)).links;
    await move(tree, b, 'c', tree.root, 'c');
    t.true(isSame((await tree.lookup(c, named('..'), user)).file, tree.root));
    t.is((await tree.getAttributes(tree.root)).links, before + 1);
    t.is((await tree.getAttributes(b)).links, 2);
    t.is(await kindOf(() => tree.rename(a, named('.'), tree.root, named('z'), by(user))), 'invalid');
  });

  check('a directory is moved to another by who may write to it: its `..` is changed', async (t, tree) => {
    const { file: into } = await tree.makeDirectory(tree.root, named('into'), { mode: 0o777 }, by(user));
    const { file: moved } = await tree.makeDirectory(tree.root, named('moved'), { mode: 0o755 }, by(user));
    const move = (who: Credentials) => tree.rename(tree.root, named('moved'), into, named('moved'), by(who));
    t.is(await kindOf(() => move(other)), 'denied');
    await tree.rename(tree.root, named('moved'), tree.root, named('moved too'), by(other));
    await tree.rename(tree.root, named('moved too'), tree.root, named('moved'), by(other));
    await tree.setAttributes(moved, { mode: 0o555 }, undefined, by(user));
    t.is(await kindOf(() => move(user)), 'denied');
    await tree.setAttributes(moved, { mode: 0o722 }, undefined, by(user));
    await move(other);
    t.true(isSame((await tree.lookup(into, named('moved'), user)).file, moved));
  });

  check('a name that is renamed to another of the same file stays', async (t, tree) => {
    const handle = await create(tree, tree.root, 'a');
    await tree.link(handle, tree.root, named('b'), by(user));
    await move(tree, tree.root, 'a', tree.root, 'b');
    t.is((await tree.getAttributes(handle)).links, 2);
    t.true(isSame((await tree.lookup(tree.root, named('a'), user)).file, handle));
    await move(tree, tree.root, 'a', tree.root, 'a');
    t.is((await tree.getAttributes(handle)).links, 2);
  });
}
