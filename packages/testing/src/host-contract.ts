import { errorKindOf, isPromise } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import type { TestFn } from 'ava';
import { failsWith, sameBytes } from './expect.ts';
import type { Check, HostFixture } from './host/check.ts';
import { lockTests } from './host/lock-tests.ts';

const block = 4096;

/** Bytes that tell where they belong. */
function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8) * 13 + seed) & 0xff);
}

async function readBack(file: HostFile, offset: number, length: number): Promise<Uint8Array> {
  const into = new Uint8Array(length).fill(0xee);
  const count = await file.read(offset, into);
  return into.subarray(0, count);
}

/** One block of a direct file. */
async function direct(host: Host, file: HostFile, offset: number): Promise<Uint8Array> {
  const into = host.alignedBuffer(block);
  await file.read(offset, into);
  return into;
}

function openDirect(host: Host, path: string): HostFile | undefined {
  try {
    return host.open(path, { create: true, direct: true });
  } catch (error) {
    if (errorKindOf(error) === 'unsupported') return undefined;
    throw error;
  }
}

/**
 * Proves that a kind of host keeps what the Host and HostFile interfaces promise. Called from a test file of its own
 * package; `name` begins each test's title.
 */
export function hostContract(test: TestFn, name: string, make: () => HostFixture): void {
  const check: Check = (title, body) => {
    test(`${name}: ${title}`, async (t) => {
      const fixture = make();
      try {
        await body(t, fixture);
      } finally {
        fixture.dispose();
      }
    });
  };
  dataTests(check);
  roomTests(check);
  openTests(check);
  lockTests(check);
  directoryTests(check);
  seamTests(check);
}

function dataTests(check: Check): void {
  check('what was written is read, across the end of the file only what is there', async (t, { host, directory }) => {
    const file = host.open(`${directory}/a`, { create: true });
    const bytes = pattern(10_000, 1);
    await file.write(500, bytes);
    t.is(file.size(), 10_500);
    sameBytes(t, bytes, await readBack(file, 500, 10_000), 'whole');
    sameBytes(t, bytes.subarray(9000), await readBack(file, 9500, 5000), 'tail');
    t.is((await readBack(file, 20_000, 10)).length, 0);
    t.is(await file.read(0, new Uint8Array(0)), 0);
    file.close();
  });

  check('what is written off the thread is read once it has settled', async (t, { host, directory }) => {
    const file = host.open(`${directory}/a`, { create: true });
    const bytes = pattern(3 * block + 5, 7);
    await file.writeOffThread(block, bytes);
    sameBytes(t, bytes, await readBack(file, block, bytes.length), 'whole');
    file.close();
  });

  check('what was never written reads as zeros', async (t, { host, directory }) => {
    const file = host.open(`${directory}/a`, { create: true });
    await file.write(3 * block, pattern(10, 1));
    sameBytes(t, new Uint8Array(3 * block), await readBack(file, 0, 3 * block), 'hole');
    file.close();
  });

  check('a blocking read gives the same bytes', async (t, { host, directory }) => {
    const file = host.open(`${directory}/a`, { create: true });
    const bytes = pattern(block + 9, 3);
    await file.write(0, bytes);
    const into = new Uint8Array(2 * block);
    t.is(file.readSync(1, into), bytes.length - 1);
    sameBytes(t, bytes.subarray(1), into.subarray(0, bytes.length - 1), 'blocking');
    file.close();
  });

  check('parts are written one behind the other, more of them than one call takes', async (t, { host, directory }) => {
    const file = host.open(`${directory}/a`, { create: true });
    const bytes = pattern(3000 * 3, 5);
    const parts = Array.from({ length: 3000 }, (_, index) => bytes.subarray(index * 3, index * 3 + 3));
    await file.writeMany(7, [new Uint8Array(0), ...parts]);
    sameBytes(t, bytes, await readBack(file, 7, bytes.length), 'parts');
    await file.writeMany(0, []);
    t.is(file.size(), bytes.length + 7);
    file.close();
  });

  check('views into larger buffers are read and written in their place', async (t, { host, directory }) => {
    const file = host.open(`${directory}/a`, { create: true });
    const large = pattern(300, 9);
    await file.write(0, large.subarray(100, 200));
    const target = new Uint8Array(300).fill(1);
    await file.read(0, target.subarray(50, 150));
    sameBytes(t, large.subarray(100, 200), target.subarray(50, 150), 'inside');
    t.true(target.subarray(0, 50).every((byte) => byte === 1) && target.subarray(150).every((byte) => byte === 1));
    file.close();
  });

  check('what one opener wrote another sees, also after a sync and a dropped cache', async (t, { host, directory }) => {
    const writer = host.open(`${directory}/a`, { create: true });
    const reader = host.open(`${directory}/a`, { readOnly: true });
    const bytes = pattern(3 * block, 2);
    await writer.write(0, bytes);
    sameBytes(t, bytes, await readBack(reader, 0, bytes.length), 'before');
    writer.startWriteback(0, bytes.length);
    await writer.sync();
    reader.dropCache(0, bytes.length);
    sameBytes(t, bytes, await readBack(reader, 0, bytes.length), 'after');
    writer.close();
    reader.close();
  });

  check('what will be needed is soon read at once, and is what it was', async (t, { host, directory }) => {
    const file = host.open(`${directory}/a`, { create: true });
    const bytes = pattern(8 * block, 3);
    await file.write(0, bytes);
    await file.sync();
    file.dropCache(0, bytes.length);
    await file.willNeed(0, bytes.length);
    const into = new Uint8Array(bytes.length);
    for (let found = file.read(0, into); isPromise(found); found = file.read(0, into)) await found;
    sameBytes(t, bytes, into, 'read at once');
    await file.willNeed(bytes.length * 2, block);
    file.close();
  });

  check('many reads in flight at once each get their own', async (t, { host, directory }) => {
    const file = host.open(`${directory}/a`, { create: true });
    const bytes = pattern(64 * block, 4);
    await file.write(0, bytes);
    await file.sync();
    file.dropCache(0, bytes.length);
    const found = await Promise.all(Array.from({ length: 64 }, (_, index) => readBack(file, index * block, block)));
    for (const [index, part] of found.entries()) {
      sameBytes(t, bytes.subarray(index * block, (index + 1) * block), part, `block ${index}`);
    }
    file.close();
  });

  check('a direct file reads and writes aligned memory', async (t, { host, directory }) => {
    const file = openDirect(host, `${directory}/a`);
    if (file === undefined) {
      t.pass('this file system has no direct I/O, and says so');
      return;
    }
    t.is(file.alignment, block);
    const from = host.alignedBuffer(4 * block);
    from.set(pattern(4 * block, 6));
    await file.write(block, from);
    await file.writeMany(5 * block, [from.subarray(0, block), from.subarray(2 * block)]);
    await file.sync();
    const into = host.alignedBuffer(8 * block);
    t.is(await file.read(block, into), 7 * block);
    sameBytes(t, from, into.subarray(0, 4 * block), 'write');
    sameBytes(t, from.subarray(2 * block), into.subarray(5 * block, 7 * block), 'writeMany');
    file.close();
  });

  check(
    'direct transfers in flight at once, more than a device takes, each get their own',
    async (t, { host, directory }) => {
      const file = openDirect(host, `${directory}/a`);
      if (file === undefined) {
        t.pass('this file system has no direct I/O, and says so');
        return;
      }
      const numbers = Array.from({ length: 600 }, (_, index) => index);
      const memory = host.alignedBuffer(600 * block);
      const part = (index: number): Uint8Array => memory.subarray(index * block, (index + 1) * block);
      for (const index of numbers) part(index).set(pattern(block, index));
      await Promise.all(numbers.map((index) => file.write((599 - index) * block, part(index))));
      memory.fill(0);
      await Promise.all(numbers.map((index) => file.read((599 - index) * block, part(index))));
      for (const index of numbers) sameBytes(t, pattern(block, index), part(index), `block ${index}`);
      await file.writeMany(block, [part(7), part(9)]);
      sameBytes(t, part(9), await direct(host, file, 2 * block), 'the second part');
      file.close();
    },
  );

  check('a file says which memory it takes without a copy', (t, { host, directory }) => {
    const buffered = host.open(`${directory}/a`, { create: true });
    const memory = host.alignedBuffer(3 * block);
    t.true(buffered.accepts(memory.subarray(5, 17)));
    buffered.close();
    const file = openDirect(host, `${directory}/b`);
    if (file === undefined) return;
    t.true(file.accepts(memory));
    t.true(file.accepts(memory.subarray(block, 2 * block)));
    t.false(file.accepts(memory.subarray(1, block + 1)));
    t.false(file.accepts(memory.subarray(0, block - 1)));
    file.close();
  });
}

function roomTests(check: Check): void {
  check('reserved room grows the file, reads as zeros and leaves contents alone', async (t, { host, directory }) => {
    const file = host.open(`${directory}/a`, { create: true });
    const bytes = pattern(block, 1);
    await file.write(0, bytes);
    await file.allocate(0, 16 * block);
    t.is(file.size(), 16 * block);
    sameBytes(t, bytes, await readBack(file, 0, block), 'contents');
    sameBytes(t, new Uint8Array(block), await readBack(file, 8 * block, block), 'reserved');
    await file.sync();
    t.true((host.stat(`${directory}/a`)?.allocatedBytes ?? 0) >= 16 * block);
    file.close();
  });

  check('a punched range reads as zeros and gives its room back', async (t, { host, directory }) => {
    const file = host.open(`${directory}/a`, { create: true });
    const bytes = pattern(16 * block, 1);
    await file.write(0, bytes);
    await file.sync();
    const before = host.stat(`${directory}/a`)?.allocatedBytes ?? 0;
    await file.punch(4 * block, 8 * block);
    await file.sync();
    t.is(file.size(), 16 * block);
    sameBytes(t, new Uint8Array(8 * block), await readBack(file, 4 * block, 8 * block), 'punched');
    sameBytes(t, bytes.subarray(12 * block), await readBack(file, 12 * block, 4 * block), 'behind');
    t.is(before - (host.stat(`${directory}/a`)?.allocatedBytes ?? 0), 8 * block);
    file.close();
  });

  check('a punch that is not aligned clears exactly its bytes', async (t, { host, directory }) => {
    const file = host.open(`${directory}/a`, { create: true });
    const bytes = pattern(4 * block, 1);
    await file.write(0, bytes);
    await file.punch(100, 2 * block);
    const expected = Uint8Array.from(bytes).fill(0, 100, 100 + 2 * block);
    sameBytes(t, expected, await readBack(file, 0, 4 * block), 'all');
    file.close();
  });

  check('a range is copied from another file, as far as that goes', async (t, { host, directory }) => {
    const source = host.open(`${directory}/a`, { create: true });
    const bytes = pattern(8 * block, 1);
    await source.write(0, bytes);
    const file = host.open(`${directory}/b`, { create: true });
    await file.write(0, pattern(block, 2));
    t.is(await file.copyFrom(source, 3 * block, block, 2 * block), 2 * block);
    t.is(await file.copyFrom(source, 7 * block, 5 * block, 4 * block), block);
    t.is(await file.copyFrom(source, 8 * block, 9 * block, block), 0);
    t.is(file.size(), 6 * block);
    sameBytes(t, pattern(block, 2), await readBack(file, 0, block), 'before');
    sameBytes(t, bytes.subarray(3 * block, 5 * block), await readBack(file, block, 2 * block), 'copied');
    sameBytes(t, new Uint8Array(2 * block), await readBack(file, 3 * block, 2 * block), 'between');
    sameBytes(t, bytes.subarray(7 * block), await readBack(file, 5 * block, block), 'the end');
    sameBytes(t, bytes, await readBack(source, 0, 8 * block), 'the source');
    for (const each of [source, file]) each.close();
  });

  check('a zeroed range reads as zeros and the size stays', async (t, { host, directory }) => {
    const file = host.open(`${directory}/a`, { create: true });
    const bytes = pattern(8 * block, 1);
    await file.write(0, bytes);
    await file.zeroRange(2 * block, 4 * block);
    await file.zeroRange(8 * block, 4 * block);
    t.is(file.size(), 8 * block);
    sameBytes(t, bytes.fill(0, 2 * block, 6 * block), await readBack(file, 0, 8 * block), 'all');
    file.close();
  });

  check('extents show data and holes, cover the range, and stop at the limit', async (t, { host, directory }) => {
    const file = host.open(`${directory}/a`, { create: true });
    file.truncate(64 * block);
    await file.write(16 * block, pattern(16 * block, 1));
    await file.sync();
    t.deepEqual(file.extents(0, 64 * block, 10), [
      { offset: 0, length: 16 * block, state: 'hole' },
      { offset: 16 * block, length: 16 * block, state: 'data' },
      { offset: 32 * block, length: 32 * block, state: 'hole' },
    ]);
    t.deepEqual(file.extents(0, 64 * block, 1), [{ offset: 0, length: 16 * block, state: 'hole' }]);
    t.deepEqual(file.extents(20 * block, 2 * block, 9), [{ offset: 20 * block, length: 2 * block, state: 'data' }]);
    t.deepEqual(file.extents(64 * block, 2 * block, 9), [{ offset: 64 * block, length: 2 * block, state: 'hole' }]);
    t.deepEqual(file.extents(0, 0, 9), []);
    file.close();
  });

  check('what a smaller size cut off does not come back', async (t, { host, directory }) => {
    const file = host.open(`${directory}/a`, { create: true });
    await file.write(0, pattern(3 * block, 1));
    file.truncate(100);
    t.is(file.size(), 100);
    file.truncate(2 * block);
    const expected = new Uint8Array(2 * block);
    expected.set(pattern(100, 1));
    sameBytes(t, expected, await readBack(file, 0, 3 * block), 'all');
    file.close();
  });
}

function openTests(check: Check): void {
  check('a missing file is made only when that was asked, an existing one not twice', async (t, fixture) => {
    const { host, directory } = fixture;
    await failsWith(t, 'not-found', () => host.open(`${directory}/a`, {}));
    await failsWith(t, 'not-found', () => host.open(`${directory}/no/a`, { create: true }));
    host.open(`${directory}/a`, { create: true, exclusive: true }).close();
    await failsWith(t, 'exists', () => host.open(`${directory}/a`, { create: true, exclusive: true }));
    host.open(`${directory}/a`, { create: true }).close();
    await failsWith(t, 'is-directory', () => host.open(directory, { readOnly: true }));
  });

  check('a file that was opened for reading refuses what would change it', async (t, { host, directory }) => {
    host.open(`${directory}/a`, { create: true }).close();
    const file = host.open(`${directory}/a`, { readOnly: true });
    await failsWith(t, 'read-only', () => file.write(0, pattern(1, 1)));
    await failsWith(t, 'read-only', () => file.writeMany(0, [pattern(1, 1)]));
    await failsWith(t, 'read-only', () => file.allocate(0, 1));
    await failsWith(t, 'read-only', () => file.punch(0, 1));
    await failsWith(t, 'read-only', () => file.zeroRange(0, 1));
    await failsWith(t, 'read-only', () => file.truncate(0));
    file.close();
  });

  check('offsets that no file reaches are out of range', async (t, { host, directory }) => {
    const file = host.open(`${directory}/a`, { create: true });
    await failsWith(t, 'out-of-range', () => file.write(-1, pattern(1, 1)));
    await failsWith(t, 'out-of-range', () => file.read(Number.MAX_SAFE_INTEGER, new Uint8Array(1)));
    await failsWith(t, 'out-of-range', () => file.punch(0, -1));
    file.close();
  });

  check('after close everything fails with closed, and what was in flight ends well', async (t, fixture) => {
    const { host, directory } = fixture;
    const file = host.open(`${directory}/a`, { create: true });
    await file.write(0, pattern(block, 1));
    const inFlight = file.sync();
    file.close();
    file.close();
    await inFlight;
    await failsWith(t, 'closed', () => file.read(0, new Uint8Array(1)));
    await failsWith(t, 'closed', () => file.write(0, new Uint8Array(1)));
    await failsWith(t, 'closed', () => file.sync());
    await failsWith(t, 'closed', () => file.size());
  });

  check('a file whose name is gone serves those who have it open', async (t, { host, directory }) => {
    const file = host.open(`${directory}/a`, { create: true });
    host.unlink(`${directory}/a`);
    await file.write(0, pattern(9, 1));
    sameBytes(t, pattern(9, 1), await readBack(file, 0, 9), 'unlinked');
    file.close();
    t.is(host.stat(`${directory}/a`), undefined);
  });
}

function directoryTests(check: Check): void {
  check('directories are made, listed and told apart from files', async (t, { host, directory }) => {
    host.makeDirectory(`${directory}/d`);
    await failsWith(t, 'exists', () => host.makeDirectory(`${directory}/d`));
    const file = host.open(`${directory}/f`, { create: true });
    await file.write(0, pattern(5, 1));
    file.close();
    t.deepEqual([...host.list(directory)].sort(), ['d', 'f']);
    t.deepEqual(host.list(`${directory}/d`), []);
    t.is(host.stat(`${directory}/d`)?.kind, 'directory');
    t.like(host.stat(`${directory}/f`), { kind: 'file', sizeBytes: 5 });
    t.is(host.stat(`${directory}/g`), undefined);
    await failsWith(t, 'not-found', () => host.list(`${directory}/g`));
    await failsWith(t, 'not-directory', () => host.list(`${directory}/f`));
  });

  check('a rename replaces what had the name, and open files follow', async (t, { host, directory }) => {
    const first = host.open(`${directory}/a`, { create: true });
    await first.write(0, pattern(3, 1));
    const second = host.open(`${directory}/b`, { create: true });
    host.rename(`${directory}/a`, `${directory}/b`);
    await host.syncDirectory(directory);
    t.deepEqual(host.list(directory), ['b']);
    t.is(host.stat(`${directory}/b`)?.sizeBytes, 3);
    t.is(second.size(), 0);
    await first.write(3, pattern(3, 2));
    t.is(host.stat(`${directory}/b`)?.sizeBytes, 6);
    await failsWith(t, 'not-found', () => host.rename(`${directory}/a`, `${directory}/c`));
    first.close();
    second.close();
  });

  check('unlink removes files, once', async (t, { host, directory }) => {
    host.open(`${directory}/a`, { create: true }).close();
    host.unlink(`${directory}/a`);
    t.deepEqual(host.list(directory), []);
    await failsWith(t, 'not-found', () => host.unlink(`${directory}/a`));
    await failsWith(t, 'not-found', () => host.syncDirectory(`${directory}/no`));
  });
}

function seamTests(check: Check): void {
  check('the clock goes forward, chance stays in its limit, later turns come', async (t, { host }) => {
    const before = host.clock.monotonicMs();
    await new Promise<void>((resolve) => host.scheduler.soon(resolve));
    await new Promise<void>((resolve) => {
      // What the scheduler waits for keeps no process alive: the loop does, until it came.
      const keepAlive = setInterval(() => undefined, 1000);
      host.scheduler.after(2, () => {
        clearInterval(keepAlive);
        resolve();
      });
    });
    t.true(host.clock.monotonicMs() - before >= 1);
    for (let round = 0; round < 100; round++) {
      const drawn = host.random.below(3);
      t.true(Number.isInteger(drawn) && drawn >= 0 && drawn < 3);
    }
    const bytes = new Uint8Array(64);
    host.random.fill(bytes);
    t.true(bytes.some((byte) => byte !== 0));
  });

  check('aligned memory has its length; the boot and the free room are told', (t, fixture) => {
    const { host, directory } = fixture;
    const buffer = host.alignedBuffer(3 * block);
    t.is(buffer.byteLength, 3 * block);
    t.is(host.bootId(), host.bootId());
    t.true(host.bootId().length > 0);
    t.true(host.freeBytes(directory) > 0);
  });
}
