import { randomUUID } from 'node:crypto';
import type { Server as SocketServer } from 'node:net';
import type { Worker } from 'node:worker_threads';
import { AshlarError, assert, errorKindOf } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { Plane } from '@ashlar/plane';
import { Catalogue, type Export, type ExportProtocol } from '@ashlar/volume';
import type { Logger } from 'pino';
import type * as z from 'zod';
import { isAnotherMachine } from './another-machine.ts';
import { inUri, urisOf, type Addresses } from './addresses.ts';
import type { createAdminApp } from './admin/app.ts';
import type { RouteContext } from './admin/routes.ts';
import type { statusSchema } from './admin/schemas.ts';
import { openAdminServers, type AdminServers } from './admin/servers.ts';
import { LiveConfig, type Reloaded } from './config/live.ts';
import type { LoadedConfig } from './config/load.ts';
import { capacityOf, storeSettings } from './config/store-settings.ts';
import { Control } from './control.ts';
import { inside, prepareDataDirectory, type DataDirectory } from './data-directory.ts';
import { ExportsFile } from './exports-file.ts';
import { Flattener } from './flattener.ts';
import { Grants } from './grants.ts';
import type { Metrics } from './metrics.ts';
import { NbdFront, type ConnectionCounts } from './nbd-front.ts';
import { NfsFront } from './nfs-front.ts';
import { PoolWatch } from './pool-watch.ts';
import { createSocketServer, listenPassed, listenTcp, listenUnix, stopListening } from './process/listen.ts';
import { readOrMakeToken } from './process/token.ts';
import { ScrubSchedule } from './scrub-schedule.ts';
import { lastScrub } from './scrub-view.ts';
import { SnapshotSchedules } from './snapshot-schedules.ts';
import { takeStatistics } from './statistics.ts';
import { version } from './version.ts';
import { ensureVolume, type NamedVolume } from './volume-option.ts';

type ServerOptions = {
  readonly loaded: LoadedConfig;
  /** Reads the configuration again. */
  readonly reload: () => LoadedConfig;
  /** Made where they are not there. */
  readonly volumes: readonly NamedVolume[];
  readonly logger: Logger;
  /** Listening sockets that were passed to this process, in place of its own. */
  readonly passed: readonly { readonly descriptor: number; readonly name: string }[];
  /** The data plane's worker, where it was started ahead. */
  readonly worker?: Worker;
  /** The data plane died: the process must end now. */
  readonly onDeath: (error: Error) => void;
  /** In place of what the system says: which boot of the machine this is, and which clients are on another one. */
  readonly machine?: { readonly bootId?: string; readonly isAnother?: (address: string) => boolean };
};

type AdminApp = Awaited<ReturnType<typeof createAdminApp>>;

/** `ashlar serve` without a process around it: everything is wired here. */
export class Server {
  readonly #live: LiveConfig;
  readonly #logger: Logger;
  readonly #directory: DataDirectory;
  readonly #catalogue: Catalogue;
  readonly #plane: Plane;
  readonly #grants: Grants;
  readonly #control: Control;
  #metrics: Metrics | undefined;
  readonly #counts: ConnectionCounts = { accepted: 0, refused: 0, attached: 0 };
  readonly #front: NbdFront;
  readonly #nfs: NfsFront;
  readonly #app: AdminApp;
  readonly #listeners: SocketServer[] = [];
  readonly #startedAt = new Date();
  readonly token: string;
  readonly #schedules: SnapshotSchedules;
  readonly #scrubs: ScrubSchedule;
  readonly #flattener: Flattener;
  readonly #watch: PoolWatch;
  #admin: AdminServers | undefined;
  #nbd: string[] = [];
  #nbdSocket: string | undefined;
  #stopping: Promise<void> | undefined;

  private constructor(
    options: ServerOptions,
    live: LiveConfig,
    directory: DataDirectory,
    plane: Plane,
    catalogue: Catalogue,
    grants: Grants,
    app: AdminApp,
  ) {
    this.#live = live;
    this.#logger = options.logger;
    this.#directory = directory;
    this.#plane = plane;
    this.#catalogue = catalogue;
    this.#grants = grants;
    this.#app = app;
    this.token = readOrMakeToken(directory.path);
    this.#flattener = new Flattener({
      volumes: () => catalogue.volumes(),
      volume: (name) => catalogue.volume(name),
      flattening: catalogue.flattening,
      logger: options.logger,
    });
    this.#nfs = new NfsFront({
      config: () => live.current,
      plane,
      logger: options.logger,
      grants: () => grants.nfs(),
    });
    this.#control = new Control({
      catalogue,
      grants,
      plane,
      dataDirectory: directory.path,
      flattener: this.#flattener,
      urisOf: (item) => this.#urisOf(item),
      nfs: this.#nfs,
      scrubRate: () => this.#scrubRate,
    });
    const { scheduler } = createRealHost();
    this.#watch = new PoolWatch({
      room: () => plane.status(),
      warnAt: () => live.current.pool.warnAt,
      scheduler,
      logger: options.logger,
    });
    this.#schedules = new SnapshotSchedules({
      volumes: () => catalogue.volumes(),
      snapshots: catalogue.snapshots,
      scheduler,
      now: Date.now,
      logger: options.logger,
      removed: () => grants.forgetUnused(),
    });
    this.#scrubs = new ScrubSchedule({
      scrub: (command) => plane.scrub(command),
      everyDays: () => live.current.scrub.everyDays,
      bytesPerSecond: () => this.#scrubRate,
      scheduler: createRealHost().scheduler,
      now: Date.now,
      logger: options.logger,
    });
    this.#front = new NbdFront({
      config: () => live.current,
      grants,
      plane,
      logger: options.logger,
      count: (result) => void (this.#counts[result] += 1),
    });
  }

  /**
   * Opens the pool, then the catalogue, then the doors. Throws an AshlarError with one sentence for what a user can mend:
   * `busy` for a port or a pool in use, `denied`, `read-only`, `invalid`, `corrupt`.
   */
  static async start(options: ServerOptions): Promise<Server> {
    const live = new LiveConfig(options.loaded, options.reload);
    const config = live.current;
    const directory = prepareDataDirectory(config.data);
    let server: Server | undefined;
    /** The worker asks only for connections that were handed to it, and clients come by doors: a server did both. */
    const started = (): Server => {
      assert(server !== undefined, 'nobody asks before there is a server');
      return server;
    };
    // Meanwhile the data worker loads its own code and opens the pool.
    const loading = Server.#load(options, live, started);
    const { bootId, isAnother = isAnotherMachine } = options.machine ?? {};
    const plane = await Plane.start({
      settings: {
        poolPath: directory.pool,
        store: storeSettings(config.store),
        device: config.pool.device,
        capacityBytes: capacityOf(config),
        ...(bootId === undefined ? {} : { bootId }),
      },
      control: {
        namesFor: (address) => started().#grants.namesFor(address),
        find: (name, address) => started().#grants.find(name, address),
        admitWriter: (uuid, address) => (isAnother(address) ? started().#catalogue.admitRemoteWriter(uuid) : undefined),
        resize: async (uuid, sizeBytes, mayShrink) => {
          const volume = await started().#control.resizeFor(uuid, sizeBytes, mayShrink);
          options.logger.info({ volume, sizeBytes }, 'resized by a client');
        },
        log: (level, fields, message) => options.logger[level](fields, message),
        attached: () => void (started().#counts.attached += 1),
        ended: () => started().#front.ended(),
        nfsEnded: () => started().#nfs.ended(),
      },
      onDeath: options.onDeath,
      worker: options.worker,
    });
    try {
      const catalogue = await Catalogue.open({
        records: plane.records,
        stores: plane.stores,
        now: () => new Date().toISOString(),
        newUuid: randomUUID,
        loss: await plane.status(),
        afterLoss: () => live.current.afterLoss,
        compression: () => live.current.compression,
        snapshotsChanged: async (volume) => {
          if (volume.type === 'file') await started().#nfs.offerAgain();
        },
      });
      for (const volume of options.volumes) await ensureVolume(catalogue, volume);
      const file = new ExportsFile(live.current.nfs.exports, { catalogue, dataDirectory: directory.path });
      server = new Server(options, live, directory, plane, catalogue, new Grants(catalogue, file), await loading);
      await server.#open(options.passed);
      const { madeAnew, state, reason } = await plane.status();
      if (madeAnew !== undefined) options.logger.warn({ damage: madeAnew }, 'the database was made anew of its log');
      if (state !== 'ok') options.logger.warn({ state }, reason);
      for (const volume of catalogue.volumes()) {
        const held = catalogue.heldReason(volume);
        if (held !== undefined) options.logger.warn({ volume: volume.name, state: 'held' }, held);
      }
      for (const fault of file.faults()) options.logger.error(fault.message);
      server.#schedules.start();
      server.#scrubs.start();
      server.#flattener.start();
      await server.#watch.start();
      return server;
    } catch (error) {
      if (server !== undefined) await server.#shutDoors();
      await plane.close(0);
      throw error;
    }
  }

  /** What takes long to load and is not needed before the pool is open. */
  static async #load({ logger }: ServerOptions, live: LiveConfig, started: () => Server): Promise<AdminApp> {
    const { createAdminApp } = await import('./admin/app.ts');
    return createAdminApp({
      version,
      token: () => started().token,
      context: () => started().#context,
      allow: () => live.current.admin.allow,
      openMetrics: () => live.current.admin.openMetrics,
      metrics: async () => (await started().#loadMetrics()).text(),
      unready: () => started().#unready(),
      onBug: (error) => logger.error({ error }, 'a request of the admin API failed'),
    });
  }

  /** Loaded when they are asked for first: their client costs a tenth of a start, and many servers are asked for none. */
  async #loadMetrics(): Promise<Metrics> {
    const { Metrics } = await import('./metrics.ts');
    this.#metrics ??= new Metrics({
      version,
      catalogue: this.#catalogue,
      grants: this.#grants,
      plane: this.#plane,
      counts: this.#counts,
      poolThreshold: () => this.#watch.threshold,
      connections: () => this.#control.connectionsByExport(),
      flattening: () => this.#flattener.count,
    });
    return this.#metrics;
  }

  get addresses(): Addresses {
    const { listen } = this.#live.current.admin;
    return {
      nbd: this.#nbd,
      nbdSocket: this.#nbdSocket,
      nfs: this.#nfs.addresses.map(({ host, port }) => `${inUri(host)}:${port}`),
      admin: `http://${inUri(listen)}:${this.#admin?.port ?? 0}`,
      adminSocket: this.#directory.adminSocket,
    };
  }

  /** Absolute. */
  get dataDirectory(): string {
    return this.#directory.path;
  }

  /** Names of exports. */
  exportsOver(protocol: ExportProtocol): readonly string[] {
    return this.#catalogue.exports.list().flatMap(({ name, over }) => (over.includes(protocol) ? [name] : []));
  }

  /** Where clients find an export. */
  urisOf(name: string): string[] {
    return this.#urisOf(this.#catalogue.exports.find(name) ?? { name, over: ['nbd'] });
  }

  #urisOf(item: Pick<Export, 'name' | 'over'>): string[] {
    return urisOf(item, this.addresses, this.#live.current.nbd.tls === 'require');
  }

  /** Connections stay as they are. Rejects with `invalid` and changes nothing when the configuration has faults. */
  async reload(): Promise<Reloaded> {
    const result = this.#live.reload((config) => {
      const take = this.#grants.file.prepare(config.nfs.exports);
      this.#front.prepare(config);
      this.#nfs.prepare(config);
      take();
    });
    if (result.applied.includes('pool.capacity')) {
      // A worker that is gone ends the process.
      this.#plane.setCapacity(capacityOf(this.#live.current)).catch(() => undefined);
    }
    this.#logger.level = this.#live.current.log.level;
    this.#logger.info(result, 'configuration read again');
    if (result.applied.includes('scrub.rate')) void this.#setScrubRate();
    await this.#nfs.offerAgain();
    return result;
  }

  get #scrubRate(): number | null {
    const { rate } = this.#live.current.scrub;
    return rate === 'off' ? null : rate;
  }

  /** Of one that is under way. */
  async #setScrubRate(): Promise<void> {
    try {
      await this.#plane.scrub({ action: 'rate', bytesPerSecond: this.#scrubRate });
    } catch (error) {
      if (errorKindOf(error) !== 'not-found') throw error;
    }
  }

  /** Accepts nobody any more, lets what is in flight end within `drain-seconds`, makes everything durable, closes. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #open(passed: ServerOptions['passed']): Promise<void> {
    const { listen, nbd, admin } = this.#live.current;
    if (passed.length > 0) for (const { descriptor } of passed) await this.#openPassed(descriptor);
    else if (nbd.tcp) {
      let { port } = nbd;
      for (const host of listen) {
        port = await listenTcp(this.#listener(), host, port, 'nbd.port');
        this.#nbd.push(`${inUri(host)}:${port}`);
      }
    }
    if (nbd.socket !== '') {
      const path = inside(this.#directory, nbd.socket);
      await listenUnix(this.#listener(), path);
      this.#nbdSocket = path;
    }
    await this.#nfs.offer();
    this.#admin = await openAdminServers(this.#app, admin.listen, admin.port, this.#directory.adminSocket);
  }

  get #context(): RouteContext {
    return {
      control: this.#control,
      status: () => this.#status(),
      statistics: () => takeStatistics(this.#grants),
      configuration: () => this.#live.list(),
      reload: () => this.reload(),
    };
  }

  async #openPassed(descriptor: number): Promise<void> {
    const listener = this.#listener();
    await listenPassed(listener, descriptor);
    const address = listener.address();
    if (typeof address === 'string') this.#nbdSocket = address;
    else if (address !== null) this.#nbd.push(`${inUri(address.address)}:${address.port}`);
  }

  #listener(): SocketServer {
    const listener = createSocketServer((socket) => this.#front.accept(socket));
    listener.once('listening', () => {
      listener.on('error', (error) => this.#logger.error({ error }, 'accepting connections failed'));
    });
    this.#listeners.push(listener);
    return listener;
  }

  async #unready(): Promise<string | undefined> {
    if (this.#stopping !== undefined) return 'the server is stopping';
    const { state, reason } = await this.#plane.status();
    return state === 'failed' ? (reason ?? 'the pool has failed') : undefined;
  }

  async #status(): Promise<z.output<typeof statusSchema>> {
    const { device, reason, ...pool } = await this.#plane.status();
    const warning = this.#watch.warning(pool);
    const { rss, heapUsed, external } = process.memoryUsage();
    const socket = this.#nbdSocket;
    return {
      version,
      state: this.#stopping === undefined ? 'ready' : 'stopping',
      pid: process.pid,
      startedAt: this.#startedAt.toISOString(),
      uptimeSeconds: Math.round(process.uptime()),
      data: this.#directory.path,
      nbd: { addresses: this.#nbd, ...(socket === undefined ? {} : { socket }), tls: this.#live.current.nbd.tls },
      nfs: { addresses: [...this.addresses.nfs] },
      admin: { address: this.addresses.admin, socket: this.#directory.adminSocket },
      workers: this.#live.current.workers,
      ...this.#control.counts,
      connections: (await this.#plane.connections()).length,
      memory: { residentBytes: rss, heapBytes: heapUsed, externalBytes: external },
      pool: {
        ...pool,
        provisionedBytes: this.#catalogue.provisionedBytes,
        ...(reason === undefined ? {} : { reason }),
        ...(device === undefined ? {} : { device }),
        ...(warning === undefined ? {} : { warning }),
      },
      scrub: lastScrub(await this.#plane.scrub({ action: 'status' })),
    };
  }

  async #shutDoors(): Promise<void> {
    for (const listener of this.#listeners) stopListening(listener);
    this.#front.close();
    this.#nfs.close();
    await this.#admin?.close();
  }

  /** A disk that is full does not keep the server from stopping: at worst a volume is held that nothing was lost of. */
  async #forgetRemoteWriters(): Promise<void> {
    try {
      await this.#catalogue.forgetRemoteWriters();
    } catch (error) {
      if (!(error instanceof AshlarError)) throw error;
      this.#logger.warn({ reason: error.message }, 'that no client is attached any more could not be recorded');
    }
  }

  async #stop(): Promise<void> {
    for (const listener of this.#listeners) stopListening(listener);
    this.#front.close();
    this.#nfs.close();
    await this.#schedules.stop();
    await this.#scrubs.stop();
    await this.#flattener.close();
    await this.#watch.stop();
    await this.#catalogue.close();
    try {
      const cut = await this.#plane.drain(this.#live.current.drainSeconds * 1000);
      if (cut > 0) this.#logger.warn({ connections: cut }, 'connections were cut off: they did not end in time');
      await this.#forgetRemoteWriters();
    } finally {
      await this.#plane.close(0);
    }
    await this.#admin?.close();
    this.#logger.info('stopped');
  }
}
