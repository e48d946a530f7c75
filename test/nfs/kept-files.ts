import { procedures, stability, status, nothingSet } from '@ashlar/nfs';
import { SeededRandom } from '@ashlar/testing';
import { HardClient, type KilledServer } from './hard-client.ts';

const named = (text: string): Uint8Array => Buffer.from(text);

/** What a call that changed something may be answered with when it comes again to another server, where that keeps no answers. */
export type Repeats = 'first-answer' | 'done-again';

type Answer = { readonly status: number; readonly ok: unknown; readonly isAcross: boolean };
type File = { readonly handle: Uint8Array; content: Buffer; directory: Directory };
type Directory = { readonly handle: Uint8Array; readonly files: Map<string, File> };

/** One who makes, writes, renames and removes files in two directories of its own, one in the other, and knows what must be there. */
export class Writer {
  readonly #random: SeededRandom;
  readonly #client: HardClient;
  readonly #repeats: Repeats;
  readonly faults: string[] = [];
  #directories: readonly Directory[] = [];
  /** The name of the inner directory. */
  #inner = 'inner';
  /** A file that stays as it is. */
  #still: Uint8Array = new Uint8Array(0);
  #next = 0;
  operations = 0;
  /** Changes that were done again, and found what they had done before. */
  again = 0;

  constructor(server: KilledServer, index: number, repeats: Repeats) {
    this.#random = new SeededRandom(100 + index);
    this.#client = new HardClient(server, index * 2 ** 24);
    this.#repeats = repeats;
  }

  async open(path: string, name: string): Promise<void> {
    const make = async (directory: Uint8Array, each: string): Promise<Directory> => {
      const args = { directory, name: named(each), attributes: nothingSet };
      const { ok } = await this.#client.call(procedures.makeDirectory, args);
      return { handle: (ok as { readonly handle: Uint8Array }).handle, files: new Map() };
    };
    const mounted = await this.#client.mount(path);
    const how = { mode: 'guarded', attributes: nothingSet } as const;
    const still = { directory: mounted, name: named(`${name}-still`), how };
    const { ok } = await this.#client.call(procedures.create, still);
    this.#still = (ok as { readonly handle: Uint8Array }).handle;
    const outer = await make(mounted, name);
    this.#directories = [outer, await make(outer.handle, this.#inner)];
  }

  /** By which clients know that what they did not commit may be lost. */
  async verifier(): Promise<string> {
    const args = { handle: this.#still, offset: 0, count: 0 };
    const answer = await this.#client.call(procedures.commit, args);
    this.#must('COMMIT of what was not changed', answer);
    return Buffer.from((answer.ok as { readonly verifier: Uint8Array }).verifier).toString('hex');
  }

  /** What every one of them must do is go well; where it was done again it may be told what it did itself. Gives whether it was. */
  #must(what: string, found: Answer, own?: number): boolean {
    const isAgain = this.#repeats === 'done-again' && found.isAcross && found.status === own;
    if (isAgain) this.again += 1;
    else if (found.status !== status.ok) this.faults.push(`${what} failed with ${found.status}`);
    return isAgain;
  }

  async step(): Promise<void> {
    const random = this.#random;
    this.operations += 1;
    const files = this.#directories.flatMap((each) => [...each.files]);
    const kind = random.below(20);
    if (kind === 0) return this.#renameInner();
    if (kind < 6 || files.length === 0) return this.#create();
    const [name, file] = random.pick(files);
    if (kind < 12) return this.#write(name, file);
    if (kind < 16) return this.#rename(name, file);
    return this.#remove(name, file);
  }

  async #create(): Promise<void> {
    const directory = this.#random.pick(this.#directories);
    const name = `f${(this.#next += 1)}`;
    const how = { mode: 'guarded', attributes: nothingSet } as const;
    const args = { directory: directory.handle, name: named(name), how };
    const answer = await this.#client.call(procedures.create, args);
    const isAgain = this.#must(`CREATE of ${name}`, answer, status.exists);
    const handle = isAgain
      ? await this.#find(directory, name)
      : (answer.ok as { handle: Uint8Array } | undefined)?.handle;
    if (handle !== undefined) directory.files.set(name, { handle, content: Buffer.alloc(0), directory });
  }

  async #find({ handle: directory }: Directory, name: string): Promise<Uint8Array | undefined> {
    const answer = await this.#client.call(procedures.lookup, { directory, name: named(name) });
    this.#must(`LOOKUP of ${name}`, answer);
    return (answer.ok as { handle: Uint8Array } | undefined)?.handle;
  }

  async #write(name: string, file: File): Promise<void> {
    const random = this.#random;
    const offset = random.below(file.content.length + 1);
    const data = Buffer.alloc(1 + random.below(20_000), random.below(256));
    const isStable = random.oneIn(2);
    const { handle } = file;
    const how = isStable ? stability.file : stability.unstable;
    for (;;) {
      const args = { handle, offset, count: data.length, stability: how, data };
      const written = await this.#client.call(procedures.write, args);
      this.#must(`WRITE of ${name}`, written);
      if (written.ok === undefined) return;
      const { verifier } = written.ok as { readonly verifier: Uint8Array };
      if (isStable) break;
      const committed = await this.#client.call(procedures.commit, { handle, offset: 0, count: 0 });
      this.#must(`COMMIT of ${name}`, committed);
      if (committed.ok === undefined) return;
      // With another verifier what was not committed may be lost: it is written again.
      if (Buffer.from((committed.ok as { readonly verifier: Uint8Array }).verifier).equals(verifier)) break;
    }
    const grown = Buffer.alloc(Math.max(file.content.length, offset + data.length));
    file.content.copy(grown);
    data.copy(grown, offset);
    file.content = grown;
  }

  /** Into either directory, also over another file. */
  async #rename(name: string, file: File): Promise<void> {
    const from = file.directory;
    const to = this.#random.pick(this.#directories);
    const there = [...to.files.keys()];
    const into = this.#random.oneIn(3) && there.length > 0 ? this.#random.pick(there) : `r${(this.#next += 1)}`;
    if (to === from && into === name) return;
    const args = {
      from: { directory: from.handle, name: named(name) },
      to: { directory: to.handle, name: named(into) },
    };
    const what = `RENAME of ${name}`;
    const isAgain = this.#must(what, await this.#client.call(procedures.rename, args), status.notFound);
    const found = isAgain ? await this.#find(to, into) : file.handle;
    if (found === undefined || Buffer.compare(found, file.handle) !== 0) this.faults.push(`${what} lost it`);
    from.files.delete(name);
    to.files.set(into, file);
    file.directory = to;
  }

  async #renameInner(): Promise<void> {
    const [{ handle: directory }] = this.#directories as [Directory];
    const into = `inner${(this.#next += 1)}`;
    const args = { from: { directory, name: named(this.#inner) }, to: { directory, name: named(into) } };
    this.#must('RENAME of a directory', await this.#client.call(procedures.rename, args), status.notFound);
    this.#inner = into;
  }

  async #remove(name: string, file: File): Promise<void> {
    const args = { directory: file.directory.handle, name: named(name) };
    this.#must(`REMOVE of ${name}`, await this.#client.call(procedures.remove, args), status.notFound);
    file.directory.files.delete(name);
  }

  /** Compares what is there with what must be. */
  async check(): Promise<void> {
    for (const [index, { files, handle }] of this.#directories.entries()) {
      const names = (await this.#list(handle)).toSorted();
      const expected = [...files.keys(), ...(index === 0 ? [this.#inner] : [])].toSorted();
      if (names.join() !== expected.join()) this.faults.push(`there is ${names.join()} in place of ${expected.join()}`);
      for (const [name, file] of files) await this.#checkFile(name, file);
    }
  }

  async #checkFile(name: string, { content, directory, handle }: File): Promise<void> {
    const { ok, status: found } = await this.#client.call(procedures.read, { handle, offset: 0, count: 2 ** 20 });
    if (found !== status.ok) this.faults.push(`READ of ${name} failed with ${found}`);
    else if (!Buffer.from((ok as { data: Uint8Array }).data).equals(content))
      this.faults.push(`${name} has other bytes`);
    const there = await this.#find(directory, name);
    if (there === undefined || Buffer.compare(there, handle) !== 0) this.faults.push(`${name} has another handle`);
  }

  async #list(directory: Uint8Array): Promise<string[]> {
    const listed: string[] = [];
    let cookie = 0n;
    for (let isEnd = false; !isEnd;) {
      const args = { directory, cookie, verifier: Buffer.alloc(8), count: 8192 };
      const answer = await this.#client.call(procedures.readDirectory, args);
      this.#must('READDIR', answer);
      const page = answer.ok as { entries: { name: Uint8Array; cookie: bigint }[]; isEnd: boolean } | undefined;
      for (const entry of page?.entries ?? []) {
        cookie = entry.cookie;
        listed.push(Buffer.from(entry.name).toString());
      }
      isEnd = page?.isEnd ?? true;
    }
    return listed.filter((name) => name !== '.' && name !== '..');
  }
}
