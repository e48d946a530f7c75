import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { createRealHost } from '@ashlar/host';
import { withFiles } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { PageFile, pageOf } from './page-file.ts';
import { Scratch } from './scratch.ts';

/** Pages of a file whose reads wait until they are let go. */
class SlowPages {
  reads = 0;
  readonly file: PageFile;
  #held: (() => void)[] = [];

  constructor(t: ExecutionContext, path = join(mkdtempSync(join(tmpdir(), 'ashlar-pages-')), 'pages')) {
    const host = withFiles(createRealHost(), (file) => {
      const read = file.read.bind(file);
      file.read = async (offset, into) => {
        this.reads += 1;
        const count = await read(offset, into);
        await new Promise<void>((resolve) => this.#held.push(resolve));
        return count;
      };
      return file;
    });
    // The smallest cache: what a test reads is not there any more.
    this.file = new PageFile(host, path, 0, new Scratch(host));
    t.teardown(() => {
      this.file.close();
      rmSync(join(path, '..'), { recursive: true });
    });
  }

  async letGo(): Promise<void> {
    while (this.letGoNow() === 0) await setTimeout(1);
  }

  /** Gives how many there were. */
  letGoNow(): number {
    const held = this.#held.splice(0);
    for (const go of held) go();
    return held.length;
  }

  /** Writes pages of one byte each; gives their references. */
  async write(...bytes: number[]): Promise<Awaited<ReturnType<PageFile['write']>>[]> {
    const refs = await Promise.all(bytes.map((byte) => this.file.write(pageOf(new Uint8Array(4096).fill(byte)), 1)));
    await this.file.flush();
    return refs;
  }
}

const others = Array.from({ length: 20 }, (_, index) => 100 + index);

test('a page that several ask for at once is read once', async (t) => {
  const pages = new SlowPages(t);
  const [first] = await pages.write(1, ...others);
  const asked = [pages.file.read(first!), pages.file.read(first!)];
  await pages.letGo();
  for (const page of await Promise.all(asked)) t.is(page.bytes[0], 1);
  t.is(pages.reads, 1);
  t.is((await pages.file.read(first!)).bytes[0], 1);
  t.is(pages.reads, 1, 'and is cached then');
});

test('a read that is overtaken by another page in the same place is not cached as that one', async (t) => {
  const pages = new SlowPages(t);
  const [old] = await pages.write(1, ...others);
  const reading = pages.file.read(old!);
  pages.file.free(old!);
  pages.file.releaseFreed();
  const [fresh] = await pages.write(2);
  t.is(fresh?.page, old?.page);
  await pages.letGo();
  t.is((await reading).bytes[0], 1);
  t.is((await pages.file.read(fresh!)).bytes[0], 2);
});

test('pages that lie near each other are lent by one transfer, past the cache, and one that is damaged is not there', async (t) => {
  const pages = new SlowPages(t);
  const refs = await pages.write(1, 2, 3, 4, 5, 6, ...others);
  const damaged = { ...refs[2]!, checksum: refs[2]!.checksum ^ 1 };
  const lend = async (): Promise<(number | undefined)[]> => {
    const asked = pages.file.lend([refs[5]!, refs[0]!, damaged, refs[1]!], (lent) =>
      lent.map((page) => page?.bytes[0]),
    );
    await pages.letGo();
    return asked;
  };
  t.deepEqual(await lend(), [6, 1, undefined, 2]);
  t.is(pages.reads, 1);
  t.deepEqual(await lend(), [6, 1, undefined, 2]);
  t.is(pages.reads, 2, 'they are not kept');
  t.is(pages.file.corruptPages, 0, 'whoever needs the damaged one reads it by itself');
});

test('pages that lie far from each other are lent together, one that is cached without a transfer', async (t) => {
  const pages = new SlowPages(t);
  const refs = await pages.write(1, ...others, 2, ...others, 3);
  const asked = pages.file.lend([refs[0]!, refs.at(-1)!, refs[21]!], (lent) => lent.map((page) => page?.bytes[0]));
  for (let transfers = 0; transfers < 2; transfers += pages.letGoNow()) await setTimeout(1);
  t.deepEqual(await asked, [1, 3, 2]);
  t.is(pages.reads, 2);
});
