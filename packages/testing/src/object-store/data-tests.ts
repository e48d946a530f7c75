import { KiB, MiB, TiB, type ErrorKind } from '@ashlar/core';
import { pattern } from '../block-device/subject.ts';
import { failsWith, sameBytes } from '../expect.ts';
import { readObject, type StoreTest } from './subject.ts';

const sizeBytes = 4 * MiB;

/** Objects: bytes, sizes, identity. */
export function dataTests(check: StoreTest): void {
  check('a new object is a hole of its size that reads as zeros', async (t, run) => {
    const store = await run.start();
    const object = await store.create(sizeBytes, 'off');
    t.is(store.sizeOf(object), sizeBytes);
    sameBytes(t, new Uint8Array(sizeBytes), await readObject(store, object, 0, sizeBytes), 'all of it');
    t.deepEqual(await store.extents(object, 0, sizeBytes, 10), [{ offset: 0, length: sizeBytes, state: 'hole' }]);
  });

  check('what was written is read back and its neighbours stay, whatever the alignment', async (t, run) => {
    const store = await run.start();
    const object = await store.create(sizeBytes, 'off');
    const model = new Uint8Array(sizeBytes);
    let tag = 0;
    for (const offset of [0, 1, 511, 4095, 4096, 64 * KiB - 1, 256 * KiB - 3, MiB - 4096, 2 * MiB + 17]) {
      for (const length of [1, 512, 4095, 4096, 4097, 8 * KiB + 1, 64 * KiB, 300 * KiB]) {
        tag += 1;
        const bytes = pattern(tag, length);
        await store.write(object, offset, bytes, tag % 7 === 0);
        model.set(bytes, offset);
        const from = Math.max(0, offset - 5000);
        const to = Math.min(sizeBytes, offset + length + 5000);
        const found = await readObject(store, object, from, to - from);
        sameBytes(t, model.subarray(from, to), found, `${length} at ${offset}`);
      }
    }
    sameBytes(t, model, await readObject(store, object, 0, sizeBytes), 'all of it');
    const again = await run.reopen();
    sameBytes(t, model, await readObject(again, object, 0, sizeBytes), 'after opening again');
  });

  check('a write leaves its buffer alone and needs it no more when it has settled', async (t, run) => {
    const store = await run.start();
    const object = await store.create(sizeBytes, 'off');
    for (const length of [100, 4096, 200 * KiB]) {
      const bytes = pattern(1, length);
      await store.write(object, 4096, bytes, false);
      sameBytes(t, pattern(1, length), bytes, 'the buffer');
      bytes.fill(0xff);
      sameBytes(t, pattern(1, length), await readObject(store, object, 4096, length), `${length} written`);
    }
  });

  check('what is outside an object is refused and changes nothing', async (t, run) => {
    const store = await run.start();
    const object = await store.create(10_000, 'off');
    const bytes = new Uint8Array(2);
    await store.write(object, 9998, bytes, false);
    await failsWith(t, 'out-of-range', () => store.write(object, 9999, bytes, false));
    await failsWith(t, 'out-of-range', () => store.read(object, 9999, bytes));
    await failsWith(t, 'out-of-range', () => store.trim(object, 9999, 2, false));
    await failsWith(t, 'out-of-range', () => store.zero(object, 10_000, 1, false, false));
    await failsWith(t, 'out-of-range', () => store.extents(object, 10_000, 1, 1));
  });

  check('an object that is not there, or not any more, is not-found', async (t, run) => {
    const store = await run.start();
    const object = await store.create(10_000, 'off');
    await store.delete(object);
    const bytes = new Uint8Array(1);
    for (const gone of [object, object + 1000]) {
      await failsWith(t, 'not-found', () => store.read(gone, 0, bytes));
      await failsWith(t, 'not-found', () => store.write(gone, 0, bytes, false));
      await failsWith(t, 'not-found', () => store.trim(gone, 0, 1, false));
      await failsWith(t, 'not-found', () => store.truncate(gone, 1));
      await failsWith(t, 'not-found', () => store.delete(gone));
      await failsWith(t, 'not-found', () => store.spaceOf(gone));
      await failsWith(t, 'not-found', () => store.sizeOf(gone));
    }
  });

  check('the number of an object never comes again, also after opening again', async (t, run) => {
    let store = await run.start();
    const seen = new Set<number>();
    for (let round = 0; round < 3; round += 1) {
      for (let index = 0; index < 5; index += 1) {
        const object = await store.create(4096, 'off');
        t.false(seen.has(object));
        seen.add(object);
        await store.delete(object);
      }
      store = await run.reopen();
    }
  });

  check('objects do not touch each other', async (t, run) => {
    const store = await run.start();
    const objects = await Promise.all(Array.from({ length: 8 }, () => store.create(MiB, 'off')));
    await Promise.all(objects.map((object, tag) => store.write(object, 0, pattern(tag, 300_000), false)));
    const last = objects.at(-1) ?? 0;
    await store.delete(last);
    for (const [tag, object] of objects.slice(0, -1).entries()) {
      sameBytes(t, pattern(tag, 300_000), await readObject(store, object, 0, 300_000), `object ${object}`);
    }
  });

  check('overlapping writes take effect in the order they were asked for', async (t, run) => {
    const store = await run.start();
    const object = await store.create(MiB, 'off');
    const writes = Array.from({ length: 30 }, (_, index) => {
      const length = index % 4 === 0 ? 100 * KiB : 5000;
      return store.write(object, (index % 5) * 1000, pattern(index, length), false);
    });
    await Promise.all(writes);
    const model = new Uint8Array(MiB);
    for (let index = 0; index < 30; index += 1) {
      model.set(pattern(index, index % 4 === 0 ? 100 * KiB : 5000), (index % 5) * 1000);
    }
    sameBytes(t, model, await readObject(store, object, 0, MiB), 'all of it');
  });

  check('a size changes by truncate, and what was cut off is gone when it grows again', async (t, run) => {
    const store = await run.start();
    const object = await store.create(MiB, 'off');
    const model = pattern(1, MiB);
    await store.write(object, 0, model, false);
    for (const small of [700_001, 256 * KiB, 5000, 0]) {
      await store.truncate(object, small);
      t.is(store.sizeOf(object), small);
      await failsWith(t, 'out-of-range', () => store.read(object, small, new Uint8Array(1)));
      await store.truncate(object, MiB);
      model.fill(0, small);
      sameBytes(t, model, await readObject(store, object, 0, MiB), `cut at ${small}`);
    }
    await store.truncate(object, TiB);
    await store.write(object, TiB - 3, pattern(2, 3), false);
    const again = await run.reopen();
    t.is(again.sizeOf(object), TiB);
    sameBytes(t, pattern(2, 3), await readObject(again, object, TiB - 3, 3), 'the end of a large one');
  });

  check('more is written than a journal holds, and all of it is there', async (t, run) => {
    const store = await run.start();
    const object = await store.create(16 * MiB, 'off');
    const model = new Uint8Array(16 * MiB);
    for (let round = 0; round < 3; round += 1) {
      const batch: (void | Promise<void>)[] = [];
      for (let at = round * 512; at + 12_000 < model.length; at += 40_960) {
        const bytes = pattern(round * 1000 + at, 12_000);
        batch.push(store.write(object, at, bytes, false));
        model.set(bytes, at);
      }
      await Promise.all(batch);
      await store.sync();
    }
    sameBytes(t, model, await readObject(store, object, 0, model.length), 'all of it');
    const again = await run.reopen();
    sameBytes(t, model, await readObject(again, object, 0, model.length), 'after opening again');
  });

  check('after a close every operation is refused as closed', async (t, run) => {
    const store = await run.start();
    const object = await store.create(MiB, 'off');
    await store.close();
    const kinds: (ErrorKind | undefined)[] = [];
    for (const attempt of [
      () => store.read(object, 0, new Uint8Array(1)),
      () => store.write(object, 0, new Uint8Array(1), false),
      () => store.create(1, 'off'),
      () => store.commit([], false),
      () => store.sync(),
    ]) {
      kinds.push((await failsWith(t, 'closed', attempt))?.kind);
    }
    t.is(kinds.length, 5);
  });
}
