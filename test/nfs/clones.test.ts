import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectRpc, NfsClient, procedures, stability } from '@ashlar/nfs';
import test from 'ava';
import { admin, snapshot } from '../clients/admin.ts';
import { ashlar, directory, long, serve, type Test } from '../clients/served.ts';
import { list, makeFile, removeFile } from './calls.ts';
import { root } from './server.ts';

const named = (text: string): Buffer => Buffer.from(text);

/** A server of file volumes that is killed and started again, and one client of it. */
class Machine {
  readonly #t: Test;
  readonly data: string;
  #served: Awaited<ReturnType<typeof serve>> | undefined;
  #client: NfsClient | undefined;

  constructor(t: Test) {
    this.#t = t;
    this.data = join(directory(t), 'data');
  }

  async start(): Promise<void> {
    this.#served = await serve(this.#t, this.data, '1M', '--volume', 'home:1G:file');
    const port = Number(/port=(\d+)/.exec(this.#served.mount!)![1]);
    this.#client = new NfsClient(await connectRpc({ host: '127.0.0.1', port }, { sys: root }));
    this.#t.teardown(() => this.#client?.close());
  }

  /** In the long form: it costs more than the rest. */
  async restart(): Promise<void> {
    if (!long) return;
    this.#client!.close();
    await this.#served!.kill();
    await this.start();
  }

  async mount(volume: string): Promise<Uint8Array> {
    return (await this.#client!.mount(`/${volume}`)).handle;
  }

  /** Makes the files of a volume what is said; nothing: there is none of the name. */
  async write(volume: string, files: Readonly<Record<string, string | undefined>>): Promise<void> {
    const handle = await this.mount(volume);
    const there = await this.names(handle);
    for (const [name, text] of Object.entries(files)) {
      if (there.includes(name)) await removeFile(this.#client!, handle, name);
      if (text === undefined) continue;
      await makeFile(this.#client!, handle, name);
      const { ok } = await this.#client!.call(procedures.lookup, { directory: handle, name: named(name) });
      const args = { handle: ok!.handle, offset: 0, count: text.length, stability: stability.file, data: named(text) };
      await this.#client!.call(procedures.write, args);
    }
  }

  async names(handle: Uint8Array): Promise<string[]> {
    const found: string[] = [];
    for await (const entries of list(this.#client!, handle, { isPlus: false })) {
      found.push(...entries.map(({ name }) => name));
    }
    return found.filter((name) => name !== '.snapshot').toSorted();
  }

  /** What its files are. */
  async read(volume: string): Promise<Record<string, string>> {
    const handle = await this.mount(volume);
    const files: Record<string, string> = {};
    for (const name of await this.names(handle)) {
      const { ok } = await this.#client!.call(procedures.lookup, { directory: handle, name: named(name) });
      const read = await this.#client!.call(procedures.read, { handle: ok!.handle, offset: 0, count: 4096 });
      files[name] = Buffer.from(read.ok!.data).toString();
    }
    return files;
  }

  clone(from: string, name: string): Promise<string> {
    const [volume, of] = from.split('@');
    return admin(this.data, 'POST', `/v1/volumes/${volume}/snapshots/${of}/clone`, { name });
  }

  async flatten(name: string): Promise<void> {
    await admin(this.data, 'POST', `/v1/volumes/${name}/flatten`, { action: 'start' });
    for (;;) {
      const { origin } = JSON.parse(await admin(this.data, 'GET', `/v1/volumes/${name}`)) as { origin?: string };
      if (origin === undefined) return;
      await sleep(20);
    }
  }
}

test('a clone of a file volume is mounted and written, and is what was made of it when its origin is changed, rolled back, killed and at last removed', async (t) => {
  const machine = new Machine(t);
  await machine.start();
  await machine.write('home', { a: 'a of home', b: 'b of home' });
  await snapshot(machine.data, 'home@one');
  await machine.clone('home@one', 'copy');
  t.deepEqual(await machine.read('copy'), { a: 'a of home', b: 'b of home' });
  await machine.write('copy', { a: 'a of copy', b: undefined, c: 'c of copy' });
  await machine.write('home', { a: undefined, b: 'b again', d: 'd of home' });
  await snapshot(machine.data, 'copy@two');
  await machine.clone('copy@two', 'second');
  await machine.write('second', { c: undefined, b: 'b of second' });
  await machine.restart();
  const copy = { a: 'a of copy', c: 'c of copy' };
  const second = { a: 'a of copy', b: 'b of second' };
  t.deepEqual(await machine.read('home'), { b: 'b again', d: 'd of home' });
  t.deepEqual(await machine.read('copy'), copy);
  t.deepEqual(await machine.read('second'), second);
  await admin(machine.data, 'POST', '/v1/volumes/home/snapshots/one/rollback', {});
  t.deepEqual(await machine.read('home'), { a: 'a of home', b: 'b of home' });
  t.deepEqual(await machine.read('second'), second);
  await machine.write('copy', { e: 'behind it' });
  await admin(machine.data, 'POST', '/v1/volumes/copy/snapshots/two/rollback', {});
  t.deepEqual(await machine.read('copy'), copy);
  await t.throwsAsync(admin(machine.data, 'DELETE', '/v1/volumes/home?snapshots=true'), { message: /has clones/ });
  await machine.flatten('second');
  await admin(machine.data, 'DELETE', '/v1/volumes/copy/snapshots/two');
  await machine.flatten('copy');
  await admin(machine.data, 'DELETE', '/v1/volumes/home?snapshots=true');
  t.deepEqual(await machine.read('copy'), copy);
  t.deepEqual(await machine.read('second'), second);
  await machine.restart();
  t.deepEqual(await machine.read('copy'), copy);
  t.deepEqual(await machine.read('second'), second);
});

test('a file volume is not compared or sent, and that is said', async (t) => {
  const machine = new Machine(t);
  await machine.start();
  await snapshot(machine.data, 'home@one');
  await t.throwsAsync(admin(machine.data, 'GET', '/v1/volumes/home/changes?since=one'), {
    message: /'home' is a file volume, which cannot be compared yet/,
  });
  await t.throwsAsync(ashlar(machine.data, 'volume send home@one', '> /dev/null'), {
    message: /'home' is a file volume, which cannot be sent or received yet/,
  });
});
