import { hostname } from 'node:os';
import {
  type AshlarError,
  isPromise,
  MiB,
  type Clock,
  type FairQueue,
  type Random,
  type Scheduler,
  type SnapshotId,
  type StoreId,
  type Settled,
  type Stream,
} from '@ashlar/core';
import type { AcceptedSocket, EventLoop } from '@ashlar/host';
import {
  CallCounts,
  callName,
  HandleCodec,
  keptCall,
  listeningAt,
  LockService,
  mostAnswerBytes,
  nfsPrograms,
  plainAddress,
  portmapPort,
  Programs,
  registerAll,
  RpcSession,
  ServedExports,
  tellGranted,
  tellRestart,
  unregisterAll,
  writeDataOffset,
  type Answer,
  type CallCountsView,
  type ExportedTree,
  type HeldLock,
  type Listening,
  type NfsService,
  type ServedCall,
} from '@ashlar/nfs';
import type { SessionMemory } from '@ashlar/wire';
import { LRUCache } from 'lru-cache';
import { ClientNames, type NameResolver } from './client-names.ts';
import type { ControlFunctions } from './control-functions.ts';
import { Lookups } from './lookups.ts';
import type { NfsClientInfo, NfsConnectionInfo, NfsGrant, NfsOptions, NfsPlace } from './messages.ts';
import { ExportOpener } from './nfs-export-opener.ts';
import { NfsDatagrams } from './nfs-datagrams.ts';
import type { NfsLockRecords } from './nfs-lock-records.ts';
import type { Remote } from './rpc.ts';
import type { Trees } from './trees.ts';
import { peerText } from './peer-text.ts';

type NfsConnectionsParts = {
  readonly loop: EventLoop;
  readonly trees: Trees;
  readonly control: Remote<ControlFunctions>;
  readonly memory: SessionMemory;
  /** Shares the thread and its disks between connections, and with volumes. */
  readonly fair: FairQueue;
  /** Of handles: 16 bytes that outlive the process. */
  readonly handleKey: Uint8Array;
  readonly lockRecords: NfsLockRecords;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly resolver: NameResolver;
  /** Of this machine's users; nothing: there is no such user. */
  readonly groupsOf: (uid: number) => Promise<readonly number[] | undefined>;
};

type Connection = {
  readonly info: NfsConnectionInfo;
  /** Of the client. */
  readonly address: string;
  readonly stream: Stream;
  readonly session: RpcSession;
};

type ClientCounts = { readonly calls: CallCounts; readonly sinceMs: number };

/** Clients that are remembered: those that came last. */
const mostClients = 10_000;

/** NFS, MOUNT and portmap connections of this worker, and what is exported over them. One connection is of no export: each of its calls names what it is about. */
export class NfsConnections {
  readonly #parts: NfsConnectionsParts;
  readonly #exports: ServedExports;
  readonly #opener: ExportOpener;
  readonly #names: ClientNames;
  readonly #groups: Lookups<number, readonly number[]>;
  readonly #programs: ReturnType<typeof nfsPrograms>;
  readonly #connections = new Map<number, Connection>();
  /** Calls that are under way: what they use is not taken away. */
  readonly #running = new Set<Promise<Answer>>();
  readonly #locks: LockService;
  readonly #datagrams: NfsDatagrams;
  #place: NfsPlace | undefined;
  #state = 1;
  #isRegistered = false;
  readonly #clients = new LRUCache<string, ClientCounts>({ max: mostClients });
  readonly #calls = new CallCounts();
  #options: NfsOptions = { accessLog: false, manageGids: false };
  #offered: readonly NfsGrant[] = [];
  #closing = false;
  #onEmpty: (() => void) | undefined;

  constructor(parts: NfsConnectionsParts) {
    this.#parts = parts;
    const { clock, groupsOf, handleKey, lockRecords, memory, resolver, scheduler } = parts;
    this.#opener = new ExportOpener(parts.trees, parts.control);
    this.#exports = new ServedExports((address) => this.#names.of(address));
    this.#names = new ClientNames({ resolver, hosts: () => this.#exports.hosts, clock, scheduler });
    const find = async (uid: number): Promise<readonly number[]> => (await groupsOf(uid)) ?? [];
    this.#groups = new Lookups({ find, nothing: [], clock, scheduler });
    const service: NfsService = {
      exports: this.#exports,
      handles: new HandleCodec(handleKey),
      mostDataBytes: MiB,
      now: () => clock.wallMs(),
    };
    this.#locks = new LockService({ service, clock, scheduler, clients: lockRecords, tell: tellGranted });
    this.#programs = nfsPrograms({
      service,
      memory,
      locks: this.#locks,
      state: () => this.#state,
      listening: () => this.#listening,
    });
    this.#datagrams = new NfsDatagrams(this.#programs, (address) => this.#namesReady(address));
  }

  /**
   * The server listens there from now on. `own`: also at the port mapper's port. Else what listens is registered with the port mapper that is there, where one is and
   * takes it: gives whether it did. Clients that had locks are told of the restart.
   */
  async open(place: NfsPlace): Promise<boolean> {
    this.#place = place;
    const { hosts, port, portmapper } = place;
    for (const host of hosts) {
      await this.#listenUdp(host, port);
      if (portmapper === 'own') await this.#listenUdp(host, portmapPort);
    }
    if (portmapper === 'other') await this.#register();
    await this.#tellRestart();
    return this.#isRegistered;
  }

  /** Exports these from now on, and nothing else: trees that are exported no more may be closed when it settles. Those that cannot be opened are left out, and told of. */
  async offer(grants: readonly NfsGrant[]): Promise<void> {
    const offered: ExportedTree[] = [];
    const away = new Map<bigint, AshlarError>();
    for (const grant of grants) {
      const found = await this.#opener.open(grant, away);
      if (found !== undefined) offered.push(found);
    }
    this.#offered = grants;
    this.#exports.replace(offered, away);
    this.#names.exported();
    await Promise.allSettled(this.#running);
    await this.#keepDirectories(grants, away);
  }

  /** Directories that are exported no more are closed. Those that are not there, as nothing is mounted there yet, are looked for again. */
  async #keepDirectories(grants: readonly NfsGrant[], away: ReadonlyMap<bigint, AshlarError>): Promise<void> {
    if (this.#offered !== grants) return;
    const ofDirectories = grants.flatMap(({ fileSystem, source }) =>
      source.kind === 'directory' ? [{ fileSystem, path: source.path }] : [],
    );
    await this.#parts.trees.directories.keep(new Set(ofDirectories.map(({ path }) => path)));
    if (!ofDirectories.some(({ fileSystem }) => away.has(fileSystem))) return;
    this.#parts.scheduler.after(lookAgainMs, () => {
      if (this.#offered === grants && !this.#closing) void this.offer(grants);
    });
  }

  /** A snapshot is exported no more; nobody uses it when it settles. */
  async withdrawSnapshot(storeId: StoreId, snapshotId: SnapshotId): Promise<void> {
    const isOffered = ({ snapshots, source }: NfsGrant): boolean =>
      source.kind === 'volume' &&
      source.storeId === storeId &&
      snapshots.all.some((each) => each.snapshotId === snapshotId);
    if (!this.#offered.some(isOffered)) return;
    await this.offer(
      this.#offered.map((grant) => {
        if (!isOffered(grant)) return grant;
        const all = grant.snapshots.all.filter((each) => each.snapshotId !== snapshotId);
        return { ...grant, snapshots: { ...grant.snapshots, all } };
      }),
    );
  }

  /** Takes a connection over: its descriptor is closed in the end, and `ended` is told once. */
  adopt(id: number, socket: AcceptedSocket): void {
    const { clock, control, fair, loop, memory } = this.#parts;
    const stream = loop.adopt(socket);
    const programs = new Programs(this.#programs, (uid) => this.#groupsOf(uid));
    const client = this.#client(plainAddress(stream.peer.address));
    const session = new RpcSession({
      stream,
      memory,
      serve: (call) => this.#counted(programs, call, client),
      dataOffset: writeDataOffset,
      answerBytes: mostAnswerBytes,
      flow: fair.flow(),
      onEnd: (error) => this.#gone(id, error),
    });
    const info = { id, peer: peerText(stream.peer), sinceMs: clock.wallMs() };
    this.#connections.set(id, { info, address: plainAddress(stream.peer.address), stream, session });
    loop.count(stream);
    void control.log('debug', { connection: id, peer: info.peer }, 'an NFS client connected');
    session.start();
    if (this.#closing) session.drain();
  }

  list(): readonly NfsConnectionInfo[] {
    return [...this.#connections.values()].map(({ info }) => info);
  }

  /** Ends a connection at once: its client comes again. Gives whether there was one. */
  disconnect(id: number): boolean {
    const connection = this.#connections.get(id);
    connection?.stream.destroy();
    return connection !== undefined;
  }

  /** Lets each connection finish what it sent; after `timeoutMs` cuts the rest off. Gives how many were cut. */
  async drain(timeoutMs: number): Promise<number> {
    this.#closing = true;
    this.#datagrams.close();
    if (this.#isRegistered) await this.#unregister();
    for (const { session } of this.#connections.values()) session.drain();
    if (this.#connections.size === 0) return 0;
    let cut = 0;
    const timer = setTimeout(() => {
      cut = this.#connections.size;
      for (const { stream } of this.#connections.values()) stream.destroy();
    }, timeoutMs);
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    clearTimeout(timer);
    return cut;
  }

  locks(): readonly HeldLock[] {
    return this.#locks.all();
  }

  get #listening(): readonly Listening[] {
    const place = this.#place;
    if (place === undefined) return [];
    return listeningAt(place.port, place.portmapper === 'own' ? portmapPort : undefined, true);
  }

  async #listenUdp(host: string, port: number): Promise<void> {
    try {
      await this.#datagrams.listen(host, port);
    } catch (error) {
      const reason = (error as Error).message;
      void this.#parts.control.log('warn', { host, port, reason }, 'nobody can ask for locks by UDP there');
    }
  }

  async #register(): Promise<void> {
    try {
      this.#isRegistered = await registerAll(this.#listening, (bound) => this.#parts.random.below(bound));
    } catch (error) {
      const reason = (error as Error).message;
      void this.#parts.control.log('info', { reason }, 'the port mapper of this machine does not tell of NFS here');
    }
  }

  async #unregister(): Promise<void> {
    try {
      await unregisterAll(this.#listening, (bound) => this.#parts.random.below(bound));
    } catch {
      // It is gone, and with it what was registered.
    }
  }

  /** Those that had locks may claim them before others get some. */
  async #tellRestart(): Promise<void> {
    const { lockRecords } = this.#parts;
    this.#state = await lockRecords.nextState();
    const clients = await lockRecords.all();
    if (clients.length === 0) return;
    this.#locks.beginGrace();
    for (const client of clients) void this.#tell(client, mostTellings);
  }

  async #tell(client: string, tellings: number): Promise<void> {
    const { control, lockRecords, scheduler } = this.#parts;
    try {
      await tellRestart(client, hostname(), this.#state);
    } catch (error) {
      if (tellings > 1) {
        scheduler.after(tellAgainMs, () => void this.#tell(client, tellings - 1));
        return;
      }
      const reason = (error as Error).message;
      void control.log('warn', { client, reason }, 'a client that had locks could not be told of the restart');
    }
    // It is put on record again with its next lock.
    if (!this.#locks.all().some((lock) => lock.client.startsWith(`${client} `))) await lockRecords.remove(client);
  }

  /** Of each client by its address, since it came first. */
  clients(): readonly NfsClientInfo[] {
    const connections = new Map<string, number>();
    for (const { address } of this.#connections.values()) connections.set(address, (connections.get(address) ?? 0) + 1);
    return [...this.#clients].map(([address, { calls, sinceMs }]) => ({
      address,
      connections: connections.get(address) ?? 0,
      sinceMs,
      calls: calls.view(),
    }));
  }

  /** Of all clients. */
  calls(): CallCountsView {
    return this.#calls.view();
  }

  setOptions(options: NfsOptions): void {
    this.#options = options;
  }

  #groupsOf(uid: number): Settled<readonly number[]> | undefined {
    return this.#options.manageGids ? (this.#groups.of(uid) ?? this.#groups.ready(uid)) : undefined;
  }

  /** Nothing where they are known, or nothing rests on them. */
  #namesReady(address: string): Promise<unknown> | undefined {
    return this.#exports.areByName ? this.#names.ready(plainAddress(address)) : undefined;
  }

  #served(programs: Programs, call: ServedCall): Settled<Answer> {
    const ready = this.#namesReady(call.peer.address);
    if (ready === undefined) return programs.serve(call);
    const kept = keptCall(call);
    return ready.then(() => programs.serve(kept));
  }

  #client(address: string): ClientCounts {
    const there = this.#clients.get(address);
    if (there !== undefined) return there;
    const made = { calls: new CallCounts(), sinceMs: this.#parts.clock.wallMs() };
    this.#clients.set(address, made);
    return made;
  }

  #counted(programs: Programs, call: ServedCall, client: ClientCounts): Settled<Answer> {
    const { clock } = this.#parts;
    const { procedure, program } = call.head;
    const begun = clock.monotonicMs();
    const answer = this.#served(programs, call);
    if (!isPromise(answer)) {
      this.#ended(client, call.peer.address, program, procedure, clock.monotonicMs() - begun);
      return answer;
    }
    this.#running.add(answer);
    const over = (): void => {
      this.#running.delete(answer);
      this.#ended(client, call.peer.address, program, procedure, clock.monotonicMs() - begun);
    };
    answer.then(over, over);
    return answer;
  }

  #ended({ calls }: ClientCounts, address: string, program: number, procedure: number, ms: number): void {
    calls.add(program, procedure, ms);
    this.#calls.add(program, procedure, ms);
    if (!this.#options.accessLog) return;
    const fields = { client: address, call: callName(program, procedure), milliseconds: Number(ms.toFixed(3)) };
    void this.#parts.control.log('info', fields, 'an NFS call ended');
  }

  #gone(id: number, error: Error | undefined): void {
    const connection = this.#connections.get(id);
    this.#connections.delete(id);
    const { control } = this.#parts;
    const reason = error === undefined ? {} : { reason: error.message };
    void control.log('debug', { connection: id, peer: connection?.info.peer, ...reason }, 'an NFS client is gone');
    void control.nfsEnded(id);
    if (this.#connections.size === 0) this.#onEmpty?.();
  }
}

/** Directories that were not there are looked for so often. */
const lookAgainMs = 10_000;

/** A client is told of a restart again and again, for as long as it may take to start. */
const tellAgainMs = 5000;
const mostTellings = 60;
