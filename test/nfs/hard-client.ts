import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectRpc, NfsClient } from '@ashlar/nfs';
import { serveBy, type Served, type Test } from '../clients/served.ts';
import { root } from './server.ts';

type Settings = {
  /** A directory for what it keeps. */
  readonly place: string;
  /** What it is run by: the name of a program that runs another, and its parameters. */
  readonly runner: readonly string[];
  /** Options of `ashlar serve`. */
  readonly options: readonly string[];
};

/** A server that is killed and started again, always at one port. */
export class KilledServer {
  readonly #t: Test;
  readonly #settings: Settings;
  port = 0;
  #served: Served | undefined;
  /** Another number whenever it may be another process that is asked. */
  life = 0;

  constructor(t: Test, settings: Settings) {
    this.#t = t;
    this.#settings = settings;
  }

  async start(): Promise<void> {
    const { options, place, runner } = this.#settings;
    const port = ['--nfs-port', String(this.port)];
    this.#served = await serveBy(runner, this.#t, join(place, 'data'), '1M', ...port, ...options);
    this.port = Number(/port=(\d+)/.exec(this.#served.mount!)![1]);
  }

  async kill(): Promise<void> {
    this.life += 1;
    await this.#served!.kill();
    this.life += 1;
  }
}

/** A client as the kernel's is: what is not answered is asked for again by the same number, for as long as it takes. */
export class HardClient {
  readonly #server: KilledServer;
  #client: Promise<NfsClient> | undefined;
  #xid: number;

  constructor(server: KilledServer, firstXid: number) {
    this.#server = server;
    this.#xid = firstXid;
  }

  /** `isAcross`: the server was killed since it was asked for at first, so that what it answers may not be its first answer. */
  async call<P extends Parameters<NfsClient['call']>[0]>(procedure: P, args: Parameters<P['args']['write']>[1]) {
    const xid = (this.#xid += 1);
    const { life } = this.#server;
    for (;;) {
      try {
        const client = await (this.#client ??= this.#connect());
        const { ok, status } = await client.call(procedure, args, xid);
        return { ok, status, isAcross: this.#server.life !== life };
      } catch {
        this.#client = undefined;
        await sleep(50);
      }
    }
  }

  async mount(path: string): Promise<Uint8Array> {
    const client = await (this.#client ??= this.#connect());
    return (await client.mount(path)).handle;
  }

  async #connect(): Promise<NfsClient> {
    return new NfsClient(
      await connectRpc({ host: '127.0.0.1', port: this.#server.port }, { sys: root, timeoutMs: 2000 }),
    );
  }
}
