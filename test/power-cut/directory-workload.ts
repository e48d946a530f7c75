import { once } from 'node:events';
import { appendFileSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';
import { assert } from '@ashlar/core';
import { createRealHost, endProcess } from '@ashlar/host';
import { connectRpc, createNfsServer, NfsClient, procedures, stability, nothingSet } from '@ashlar/nfs';
import { SeededRandom } from '@ashlar/testing';
import { openDirectoryTree } from '@ashlar/tree';
import { blockBytes, contents } from '../faults/marked-blocks.ts';
import { root, serviceOf } from '../nfs/server.ts';
import {
  clientCount,
  filesOfClient,
  mostBlocks,
  placeOf,
  textOf,
  type Change,
  type FileType,
  type LedgerLine,
} from './directory-ledger.ts';
import { withFault, type DirectoryFault } from './directory-faults.ts';
import { KeptRecords } from './directory-records.ts';
import { DirectoryState } from './directory-state.ts';
import { positionOf } from './recording.ts';

/**
 * Changes a directory on the recording disk over NFS, several clients at once, and writes down what was asked and answered when:
 * PATH LEDGER RECORDING SEED CHANGES HANDLES [FAULT]: changes of each client, `kernel` or `table`, and a fault of the server.
 */
const [path = '', ledgerPath = '', recordingPath = '', seed = '1', count = '100', handles = 'kernel', fault] =
  process.argv.slice(2);

const random = new SeededRandom(Number(seed));
const note = (line: LedgerLine): void => appendFileSync(ledgerPath, `${JSON.stringify(line)}\n`);
const position = (): number => positionOf(recordingPath);
const named = (text: string): Uint8Array => Buffer.from(text);
mkdirSync(path);
fsyncSync(openSync(dirname(path), 'r'));
note({ kind: 'opened', begun: position(), isNew: true });
const { clock, random: numbers, scheduler } = createRealHost();
const records = new KeptRecords((key, value, durable) =>
  note({ kind: 'record', at: position(), key, value, durable: durable && fault !== 'table-late' }),
);
const key = Buffer.from('x-');
const options = { clock, random: numbers, scheduler, records, key, withTable: handles === 'table' };
const tree = withFault(await openDirectoryTree(path, options), fault as DirectoryFault | undefined);

const fileSystem = 77n;
const service = serviceOf({
  path: '/data',
  fileSystem,
  tree,
  readOnly: false,
  sync: true,
  squash: { who: 'none', anonymousUid: 65_534, anonymousGid: 65_534 },
  acls: false,
});
const server = createNfsServer(service).listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;

type Answer = { readonly status: number; readonly ok: unknown };

/** One client, in two directories `a` and `b`. */
class Client {
  readonly #client: NfsClient;
  readonly #index: number;
  readonly #state = new DirectoryState();
  /** NFS handles, by our numbers of files. */
  readonly #handles = new Map<number, Uint8Array>();
  #next = 1;

  constructor(client: NfsClient, index: number, top: Uint8Array) {
    this.#client = client;
    this.#index = index;
    this.#handles.set(0, top);
  }

  async work(changes: number): Promise<void> {
    await this.#make(`client${this.#index}`, 'directory');
    for (const name of ['a', 'b']) await this.#make(`client${this.#index}/${name}`, 'directory');
    for (let number = 0; number < changes; number += 1) await this.#step();
    this.#client.close();
  }

  async #step(): Promise<void> {
    const names = [...this.#state.names].filter(([path]) => path.split('/').length === 3);
    const files = names.filter(([, { type }]) => type === 'regular');
    const kind = random.below(16);
    if (kind < 3 || files.length === 0) {
      return this.#make(this.#newPath(), random.pick(['regular', 'regular', 'regular', 'directory', 'link']));
    }
    const [path] = random.pick(names);
    if (kind < 6)
      return this.#rename(
        path,
        names.map(([each]) => each),
      );
    if (kind < 7) return this.#remove(path);
    const [file, { now }] = random.pick(files);
    if (kind < 8) return this.#link(file);
    if (kind < 9) return this.#set(file, { kind: 'mode', path: file, mode: 0o600 + random.below(64) });
    if (kind < 10) return this.#set(file, { kind: 'cut', path: file, blocks: random.below(mostBlocks) });
    if (kind < 14) return this.#write(file, random.below(Math.min(now.length + 2, mostBlocks)));
    return this.#done({ kind: 'commit', path: file }, () =>
      this.#client.call(procedures.commit, { handle: this.#handle(file), offset: 0, count: 0 }),
    );
  }

  #newPath(): string {
    const directories = [...this.#state.names].filter(
      ([path, { type }]) => type === 'directory' && path.split('/').length === 2,
    );
    return `${random.pick(directories)[0]}/n${(this.#next += 1)}`;
  }

  #handle(path: string): Uint8Array {
    return this.#handles.get(path === '' ? 0 : this.#state.file(path).file)!;
  }

  #place(path: string): { readonly directory: Uint8Array; readonly name: Uint8Array } {
    const end = path.lastIndexOf('/');
    return { directory: this.#handle(path.slice(0, Math.max(end, 0))), name: named(path.slice(end + 1)) };
  }

  /** Asks, and writes down what was asked once it is answered. */
  async #done(change: Change, ask: () => Promise<Answer>): Promise<void> {
    const asked = position();
    const { ok, status } = await ask();
    assert(ok !== undefined, `${change.kind} is answered with ${status}`);
    note({ kind: 'done', client: this.#index, begun: asked, answered: position(), change });
    this.#state.apply(change, true);
  }

  async #make(path: string, type: FileType): Promise<void> {
    const asked = position();
    const file = this.#index * filesOfClient + (this.#next += 1);
    const mode = type === 'link' ? 0o777 : 0o600 + random.below(64);
    const place = this.#place(path);
    const attributes = { ...nothingSet, mode };
    const answer = await {
      regular: () => this.#client.call(procedures.create, { ...place, how: { mode: 'guarded', attributes } }),
      directory: () => this.#client.call(procedures.makeDirectory, { ...place, attributes }),
      link: () => this.#client.call(procedures.makeLink, { ...place, attributes: nothingSet, text: textOf(file) }),
    }[type]();
    assert(answer.ok !== undefined, `${path} is made: ${answer.status}`);
    const { after: made, handle } = answer.ok;
    this.#handles.set(file, handle!);
    const inner = Buffer.from(service.handles.decode(handle!).file).toString('hex');
    const change = { kind: 'make', path, type, mode, file, inode: String(made!.fileId), handle: inner } as const;
    note({ kind: 'done', client: this.#index, begun: asked, answered: position(), change });
    this.#state.apply(change, true);
  }

  /** Into either directory, and also over another name; or one of the directories. */
  async #rename(from: string, names: readonly string[]): Promise<void> {
    const own = random.oneIn(8) ? from.slice(0, from.lastIndexOf('/')) : from;
    const isOver = random.oneIn(3) && own === from;
    let to = own === from ? this.#newPath() : `${own.slice(0, own.lastIndexOf('/'))}/d${(this.#next += 1)}`;
    const others = names.filter((each) => each !== own && this.#canReplace(own, each));
    if (isOver && others.length > 0) to = random.pick(others);
    await this.#done({ kind: 'rename', from: own, to }, () =>
      this.#client.call(procedures.rename, { from: this.#place(own), to: this.#place(to) }),
    );
  }

  #canReplace(own: string, other: string): boolean {
    const [one, there] = [this.#state.file(own), this.#state.file(other)];
    return one !== there && (one.type === 'directory') === (there.type === 'directory');
  }

  async #remove(path: string): Promise<void> {
    const { type } = this.#state.file(path);
    const procedure = type === 'directory' ? procedures.removeDirectory : procedures.remove;
    await this.#done({ kind: 'remove', path }, () => this.#client.call(procedure, this.#place(path)));
  }

  async #link(from: string): Promise<void> {
    const to = this.#newPath();
    await this.#done({ kind: 'link', from, to }, () =>
      this.#client.call(procedures.link, { handle: this.#handle(from), link: this.#place(to) }),
    );
  }

  async #set(path: string, change: Extract<Change, { readonly kind: 'mode' | 'cut' }>): Promise<void> {
    const attributes =
      change.kind === 'mode'
        ? { ...nothingSet, mode: change.mode }
        : { ...nothingSet, sizeBytes: change.blocks * blockBytes };
    await this.#done(change, () =>
      this.#client.call(procedures.setAttributes, { handle: this.#handle(path), attributes, guard: undefined }),
    );
  }

  async #write(path: string, first: number): Promise<void> {
    const count = 1 + random.below(mostBlocks - first);
    const { file } = this.#state.file(path);
    const version = (this.#next += 1);
    const isStable = random.oneIn(2);
    const data = Buffer.from(contents(version, placeOf(file, first), count).buffer);
    const args = {
      handle: this.#handle(path),
      offset: first * blockBytes,
      count: data.length,
      stability: isStable ? stability.file : stability.unstable,
      data,
    };
    await this.#done({ kind: 'write', path, version, first, count, isStable }, () =>
      this.#client.call(procedures.write, args),
    );
  }
}

const clients = Array.from({ length: clientCount }, async (_, index) => {
  const client = new NfsClient(await connectRpc({ host: '127.0.0.1', port }, { sys: root }));
  const { handle } = await client.mount('/data');
  return new Client(client, index, handle);
});
const all = await Promise.all(clients);
await Promise.all(all.map((client) => client.work(Number(count))));
// The power goes while everything is open.
endProcess(0);
