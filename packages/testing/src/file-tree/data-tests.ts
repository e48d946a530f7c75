import type { FileHandle, FileTree } from '@ashlar/core';
import { SeededRandom } from '../seeded-random.ts';
import { by, kindOf, named, other, root, user, type TreeCheck } from './subject.ts';

async function create(tree: FileTree, name = 'file', mode = 0o644): Promise<FileHandle> {
  return (await tree.create(tree.root, named(name), { mode: 'guarded', attributes: { mode } }, by(user))).file;
}

async function readAll(tree: FileTree, file: FileHandle, offset = 0, length = 2 ** 20): Promise<Buffer> {
  const into = Buffer.alloc(length, 0xee);
  const { count } = await tree.read(file, offset, into, user);
  return into.subarray(0, count);
}

/** Bytes of files, and how large they are. */
export function dataTests(check: TreeCheck): void {
  check('what is written is read, up to the end of the file', async (t, tree, before) => {
    const file = await create(tree);
    const empty = before(await tree.getAttributes(file));
    const { change, committed } = await tree.write(file, 0, named('hello world'), 'unstable', user);
    t.is(committed, 'unstable');
    t.deepEqual(change.before, empty);
    t.is(change.after?.sizeBytes, 11);
    t.deepEqual(change.after, await tree.getAttributes(file));
    const into = Buffer.alloc(20);
    const { attributes, count, isEnd } = await tree.read(file, 6, into, user);
    t.deepEqual([into.toString('latin1', 0, count), isEnd, attributes.sizeBytes], ['world', true, 11]);
    t.is((await tree.read(file, 0, into.subarray(0, 5), user)).isEnd, false);
    t.deepEqual(await readAll(tree, file, 11), Buffer.alloc(0));
    t.deepEqual(await readAll(tree, file, 2 ** 40), Buffer.alloc(0));
  });

  check('what lies between two writes is zeros, and takes no room', async (t, tree) => {
    const file = await create(tree);
    await tree.write(file, 0, Buffer.alloc(4096, 1), 'unstable', user);
    await tree.write(file, 2 ** 40, Buffer.alloc(4096, 2), 'unstable', user);
    const { sizeBytes, usedBytes } = await tree.getAttributes(file);
    t.is(sizeBytes, 2 ** 40 + 4096);
    t.true(usedBytes <= 64 * 1024, String(usedBytes));
    t.deepEqual(await readAll(tree, file, 4096, 8192), Buffer.alloc(8192));
    t.deepEqual(await readAll(tree, file, 2 ** 40 - 1, 10), Buffer.from([0, 2, 2, 2, 2, 2, 2, 2, 2, 2]));
  });

  check('a file that is cut and grows again has zeros in place of what it had', async (t, tree, before) => {
    const file = await create(tree);
    await tree.write(file, 0, Buffer.alloc(100_000, 7), 'unstable', user);
    const whole = before(await tree.getAttributes(file));
    const cut = await tree.setAttributes(file, { sizeBytes: 10 }, undefined, by(user));
    t.deepEqual(cut.before, whole);
    t.is(cut.after?.sizeBytes, 10);
    await tree.setAttributes(file, { sizeBytes: 50_000 }, undefined, by(user));
    t.deepEqual(await readAll(tree, file), Buffer.concat([Buffer.alloc(10, 7), Buffer.alloc(49_990)]));
    await tree.setAttributes(file, { sizeBytes: 5 }, undefined, by(user));
    await tree.write(file, 20, named('x'), 'unstable', user);
    t.deepEqual(await readAll(tree, file), Buffer.concat([Buffer.alloc(5, 7), Buffer.alloc(15), named('x')]));
  });

  check('a write says how durable it is, at least as it was asked to be', async (t, tree) => {
    const file = await create(tree);
    t.is((await tree.write(file, 0, named('a'), 'file', user)).committed, 'file');
    t.not((await tree.write(file, 0, named('b'), 'data', user)).committed, 'unstable');
    await tree.write(file, 5, named('c'), 'unstable', user);
    const { after } = await tree.commit(file, 0, 0);
    t.is(after?.sizeBytes, 6);
    t.is(tree.writeVerifier.length, 8);
  });

  check(
    'directories are neither read nor written, and nothing is written beyond where a file can be',
    async (t, tree) => {
      t.is(await kindOf(() => tree.write(tree.root, 0, named('a'), 'unstable', root)), 'is-directory');
      t.is(await kindOf(() => tree.read(tree.root, 0, new Uint8Array(1), root)), 'is-directory');
      const file = await create(tree);
      const { mostFileBytes } = tree.limits;
      t.is(await kindOf(() => tree.write(file, mostFileBytes, named('a'), 'unstable', user)), 'too-big');
      t.is(
        await kindOf(() => tree.setAttributes(file, { sizeBytes: mostFileBytes + 1 }, undefined, by(user))),
        'too-big',
      );
      t.is((await tree.getAttributes(file)).sizeBytes, 0);
      await tree.write(file, 0, new Uint8Array(0), 'unstable', user);
      t.is((await tree.getAttributes(file)).sizeBytes, 0);
    },
  );

  check('writes here and there, of any length, and cuts leave what was written last', async (t, tree) => {
    const file = await create(tree);
    const random = new SeededRandom(11);
    let model: Buffer = Buffer.alloc(0);
    for (let count = 0; count < 200; count += 1) {
      if (random.oneIn(8)) {
        const size = random.below(150_000);
        const next = Buffer.alloc(size);
        model.copy(next);
        model = next;
        await tree.setAttributes(file, { sizeBytes: size }, undefined, by(user));
        continue;
      }
      const offset = random.below(random.pick([100, 10_000, 140_000]));
      const bytes = Buffer.alloc(1 + random.below(random.pick([10, 5000, 40_000])), 1 + random.below(255));
      if (offset + bytes.length > model.length)
        model = Buffer.concat([model, Buffer.alloc(offset + bytes.length - model.length)]);
      bytes.copy(model, offset);
      await tree.write(file, offset, bytes, random.oneIn(10) ? 'file' : 'unstable', user);
    }
    t.true((await readAll(tree, file)).equals(model));
    t.is((await tree.getAttributes(file)).sizeBytes, model.length);
  });

  check('writes to one file at once are all there, in whatever order they come', async (t, tree) => {
    const random = new SeededRandom(4);
    const forward = Array.from({ length: 64 }, (_, at) => at);
    const shuffled = forward.toSorted(() => random.below(3) - 1);
    for (const [index, order] of [forward, forward.toReversed(), shuffled].entries()) {
      const file = await create(tree, `file ${index}`);
      await Promise.all(
        order.map(async (at) => await tree.write(file, at * 1000, Buffer.alloc(1000, at + 1), 'unstable', user)),
      );
      const found = await readAll(tree, file);
      t.is(found.length, 64_000);
      for (let at = 0; at < 64; at += 1) t.is(found[at * 1000 + 999], at + 1);
    }
  });

  check('a file that is cut while it is written is as if one came behind the other', async (t, tree) => {
    for (let count = 0; count < 20; count += 1) {
      const file = await create(tree, `file ${count}`);
      await tree.write(file, 0, Buffer.alloc(10_000, 1), 'unstable', user);
      await Promise.all([
        tree.write(file, 5000, Buffer.alloc(1000, 2), 'unstable', user),
        tree.setAttributes(file, { sizeBytes: 100 }, undefined, by(user)),
        tree.write(file, 8000, Buffer.alloc(1000, 3), 'unstable', user),
      ]);
      const found = await readAll(tree, file);
      for (const [offset, byte] of [
        [5000, 2],
        [8000, 3],
      ] as const) {
        const part = found.subarray(offset, offset + 1000);
        const isThere = part.equals(Buffer.alloc(1000, byte));
        t.true(isThere || part.every((each) => each === 0), `${offset} ${found.length}`);
        if (part.length === 1000 && found.length === offset + 1000) t.true(isThere);
      }
    }
  });
}

/** Who may do what. */
export function permissionTests(check: TreeCheck): void {
  check('a file is read and written by whom its mode lets, and by its owner', async (t, tree) => {
    const file = await create(tree, 'file', 0o600);
    await tree.write(file, 0, named('a'), 'unstable', user);
    t.is(await kindOf(() => tree.read(file, 0, new Uint8Array(1), other)), 'denied');
    t.is(await kindOf(() => tree.write(file, 0, named('b'), 'unstable', other)), 'denied');
    await tree.setAttributes(file, { mode: 0o004 }, undefined, by(user));
    t.is(await kindOf(() => tree.read(file, 0, new Uint8Array(1), other)), undefined);
    t.is(await kindOf(() => tree.read(file, 0, new Uint8Array(1), user)), undefined);
    t.is((await tree.access(file, 0x3f, other)).granted, 1);
    t.is((await tree.access(file, 0x3f, user)).granted, 0);
  });

  check('names in a directory are its owner’s, or everybody’s', async (t, tree) => {
    const directory = (await tree.makeDirectory(tree.root, named('d'), { mode: 0o755 }, by(user))).file;
    const how = { mode: 'guarded', attributes: {} } as const;
    t.is(await kindOf(() => tree.create(directory, named('a'), how, by(other))), 'denied');
    await tree.create(directory, named('a'), how, by(user));
    t.is(await kindOf(() => tree.remove(directory, named('a'), by(other))), 'denied');
    await tree.setAttributes(directory, { mode: 0o1777 }, undefined, by(user));
    t.is(await kindOf(() => tree.remove(directory, named('a'), by(other))), 'not-owner');
    await tree.setAttributes(directory, { mode: 0o700 }, undefined, by(user));
    t.is(await kindOf(() => tree.lookup(directory, named('a'), other)), 'denied');
    t.is(await kindOf(() => tree.list(directory, 0n, 10, false, other)), 'denied');
    t.is(await kindOf(() => tree.lookup(directory, named('a'), root)), undefined);
  });

  check('attributes are set by whom they belong to, and where the file is as the caller thinks', async (t, tree) => {
    const file = await create(tree);
    t.is(await kindOf(() => tree.setAttributes(file, { mode: 0o777 }, undefined, by(other))), 'not-owner');
    t.is(await kindOf(() => tree.setAttributes(file, { uid: 5 }, undefined, by(user))), 'not-owner');
    await tree.setAttributes(file, { gid: 200 }, undefined, by(user));
    const given = await tree.setAttributes(file, { uid: 5, gid: 6 }, undefined, by(root));
    t.is(given.after?.uid, 5);
    t.is(given.after?.gid, 6);
    const { changed } = await tree.getAttributes(file);
    const earlier = { ...changed, nanoseconds: (changed.nanoseconds + 1) % 1_000_000_000 };
    t.is(await kindOf(() => tree.setAttributes(file, { mode: 0o600 }, earlier, by(root))), 'out-of-sync');
    const { after } = await tree.setAttributes(file, { mode: 0o600 }, changed, by(root));
    t.is(after?.mode, 0o600);
    const time = { seconds: 12_345, nanoseconds: 678 };
    await tree.setAttributes(file, { accessed: time, modified: 'now' }, undefined, by(root));
    t.deepEqual((await tree.getAttributes(file)).accessed, time);
  });

  check('a new file in a directory of a group is that group’s', async (t, tree) => {
    const directory = (await tree.makeDirectory(tree.root, named('d'), { mode: 0o2777, gid: 200 }, by(user))).file;
    const made = await tree.create(directory, named('a'), { mode: 'guarded', attributes: {} }, by(other));
    t.is(made.attributes.gid, 200);
    t.is((await tree.makeDirectory(directory, named('e'), {}, by(other))).attributes.mode & 0o2000, 0o2000);
  });
}
