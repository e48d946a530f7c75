import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectRpc, NfsClient, procedures, stability, status } from '@ashlar/nfs';
import { SeededRandom } from '@ashlar/testing';
import test from 'ava';
import { directory, serve, type Test } from '../clients/served.ts';
import { root } from './server.ts';

const kills = process.env['ASHLAR_LONG'] === '1' ? 100 : 4;
const writers = 6;

const nothingSet = {
  mode: undefined,
  uid: undefined,
  gid: undefined,
  sizeBytes: undefined,
  accessed: 'keep',
  modified: 'keep',
} as const;
const named = (text: string): Uint8Array => Buffer.from(text);

/** A server that is killed and started again, always at one port. */
class Server {
  readonly #t: Test;
  readonly #data: string;
  port = 0;
  #served: Awaited<ReturnType<typeof serve>> | undefined;
  /** How often it was started. */
  starts = 0;

  constructor(t: Test, data: string) {
    this.#t = t;
    this.#data = data;
  }

  async start(): Promise<void> {
    const more = ['--volume', 'home:2G:file', ...(this.port === 0 ? [] : ['--nfs-port', String(this.port)])];
    this.#served = await serve(this.#t, this.#data, '1M', ...more);
    this.port = Number(/port=(\d+)/.exec(this.#served.mount!)![1]);
    this.starts += 1;
  }

  async kill(): Promise<void> {
    await this.#served!.kill();
  }
}

/** A client as the kernel's is: what is not answered is asked for again by the same number, for as long as it takes. */
class HardClient {
  readonly #server: Server;
  #client: Promise<NfsClient> | undefined;
  #xid: number;

  constructor(server: Server, firstXid: number) {
    this.#server = server;
    this.#xid = firstXid;
  }

  async call<P extends Parameters<NfsClient['call']>[0]>(procedure: P, args: Parameters<P['args']['write']>[1]) {
    const xid = (this.#xid += 1);
    for (;;) {
      try {
        const client = await (this.#client ??= this.#connect());
        return await client.call(procedure, args, xid);
      } catch {
        this.#client = undefined;
        await sleep(50);
      }
    }
  }

  async mount(): Promise<Uint8Array> {
    const client = await (this.#client ??= this.#connect());
    return (await client.mount('/home')).handle;
  }

  async #connect(): Promise<NfsClient> {
    return new NfsClient(
      await connectRpc({ host: '127.0.0.1', port: this.#server.port }, { sys: root, timeoutMs: 2000 }),
    );
  }
}

type File = { readonly handle: Uint8Array; content: Buffer };

/** One who makes, writes, renames and removes files in a directory of its own, and knows what must be there. */
class Writer {
  readonly #random: SeededRandom;
  readonly #client: HardClient;
  readonly files = new Map<string, File>();
  readonly faults: string[] = [];
  readonly verifiers = new Set<string>();
  #directory: Uint8Array = new Uint8Array(0);
  #next = 0;
  operations = 0;

  constructor(server: Server, index: number) {
    this.#random = new SeededRandom(100 + index);
    this.#client = new HardClient(server, index * 2 ** 24);
  }

  async open(rootHandle: Uint8Array, name: string): Promise<void> {
    const args = { directory: rootHandle, name: named(name), attributes: nothingSet };
    const { ok } = await this.#client.call(procedures.makeDirectory, args);
    this.#directory = (ok as { readonly handle: Uint8Array }).handle;
  }

  /** What every one of them must do is go well: what comes again gets its first answer. */
  async #must(what: string, found: { readonly status: number; readonly ok: unknown }): Promise<unknown> {
    if (found.status !== status.ok) this.faults.push(`${what} failed with ${found.status}`);
    return found.ok;
  }

  async step(): Promise<void> {
    const random = this.#random;
    this.operations += 1;
    const names = [...this.files.keys()];
    const kind = random.below(10);
    if (kind < 3 || names.length === 0) return this.#create();
    const name = random.pick(names);
    if (kind < 6) return this.#write(name);
    if (kind < 8) return this.#rename(name);
    return this.#remove(name);
  }

  async #create(): Promise<void> {
    const name = `f${(this.#next += 1)}`;
    const how = { mode: 'guarded', attributes: nothingSet } as const;
    const ok = await this.#must(
      `CREATE of ${name}`,
      await this.#client.call(procedures.create, { directory: this.#directory, name: named(name), how }),
    );
    if (ok !== undefined)
      this.files.set(name, { handle: (ok as { handle: Uint8Array }).handle, content: Buffer.alloc(0) });
  }

  async #write(name: string): Promise<void> {
    const random = this.#random;
    const file = this.files.get(name)!;
    const offset = random.below(file.content.length + 1);
    const data = Buffer.alloc(1 + random.below(20_000), random.below(256));
    const isStable = random.oneIn(2);
    for (;;) {
      const args = {
        handle: file.handle,
        offset,
        count: data.length,
        stability: isStable ? stability.file : stability.unstable,
        data,
      };
      const written = (await this.#must(`WRITE of ${name}`, await this.#client.call(procedures.write, args))) as
        { readonly verifier: Uint8Array } | undefined;
      if (written === undefined) return;
      this.verifiers.add(Buffer.from(written.verifier).toString('hex'));
      if (isStable) break;
      const committed = (await this.#must(
        `COMMIT of ${name}`,
        await this.#client.call(procedures.commit, { handle: file.handle, offset: 0, count: 0 }),
      )) as { readonly verifier: Uint8Array } | undefined;
      if (committed === undefined) return;
      // With another verifier what was not committed may be lost: it is written again.
      if (Buffer.from(committed.verifier).equals(written.verifier)) break;
    }
    const grown = Buffer.alloc(Math.max(file.content.length, offset + data.length));
    file.content.copy(grown);
    data.copy(grown, offset);
    file.content = grown;
  }

  async #rename(name: string): Promise<void> {
    const into = this.#random.oneIn(3) ? this.#random.pick([...this.files.keys()]) : `r${(this.#next += 1)}`;
    if (into === name) return;
    const args = {
      from: { directory: this.#directory, name: named(name) },
      to: { directory: this.#directory, name: named(into) },
    };
    await this.#must(`RENAME of ${name}`, await this.#client.call(procedures.rename, args));
    this.files.set(into, this.files.get(name)!);
    this.files.delete(name);
  }

  async #remove(name: string): Promise<void> {
    const args = { directory: this.#directory, name: named(name) };
    await this.#must(`REMOVE of ${name}`, await this.#client.call(procedures.remove, args));
    this.files.delete(name);
  }

  /** Compares what is there with what must be. */
  async check(): Promise<void> {
    const listed: string[] = [];
    let cookie = 0n;
    for (let isEnd = false; !isEnd;) {
      const args = { directory: this.#directory, cookie, verifier: Buffer.alloc(8), count: 8192 };
      const { ok } = await this.#client.call(procedures.readDirectory, args);
      const page = ok as { entries: { name: Uint8Array; cookie: bigint }[]; isEnd: boolean };
      for (const entry of page.entries) {
        cookie = entry.cookie;
        listed.push(Buffer.from(entry.name).toString());
      }
      ({ isEnd } = page);
    }
    const names = listed.filter((name) => name !== '.' && name !== '..').toSorted();
    const expected = [...this.files.keys()].toSorted();
    if (names.join() !== expected.join()) this.faults.push(`there is ${names.join()} in place of ${expected.join()}`);
    for (const [name, { content, handle }] of this.files) {
      const { ok, status: found } = await this.#client.call(procedures.read, { handle, offset: 0, count: 2 ** 20 });
      if (found !== status.ok) this.faults.push(`READ of ${name} failed with ${found}`);
      else if (!Buffer.from((ok as { data: Uint8Array }).data).equals(content))
        this.faults.push(`${name} has other bytes`);
    }
  }
}

test('a server that is killed again and again loses nothing that it answered, and answers what comes again as before', async (t) => {
  t.timeout(3_600_000);
  const server = new Server(t, join(directory(t), 'data'));
  await server.start();
  const mounted = await new HardClient(server, 1).mount();
  const all = Array.from({ length: writers }, (_, index) => new Writer(server, index + 1));
  for (const [index, writer] of all.entries()) await writer.open(mounted, `writer${index}`);
  let isOver = false;
  const working = all.map(async (writer) => {
    while (!isOver) await writer.step();
  });
  for (let kill = 0; kill < kills; kill += 1) {
    const least = all.map(({ operations }) => operations + 6);
    await sleep(300 + 37 * (kill % 20));
    // However slow the machine is, each is in the middle of something.
    while (all.some(({ operations }, at) => operations < least[at]!)) await sleep(50);
    await server.kill();
    await server.start();
  }
  await sleep(300);
  isOver = true;
  await Promise.all(working);
  for (const writer of all) {
    await writer.check();
    t.deepEqual(writer.faults, []);
    t.true(writer.operations > kills * 5, `${writer.operations} operations`);
  }
  const verifiers = new Set(all.flatMap((writer) => [...writer.verifiers]));
  t.true(verifiers.size >= server.starts - 1, `${verifiers.size} verifiers in ${server.starts} starts`);
});
