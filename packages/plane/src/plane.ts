import type { Worker } from 'node:worker_threads';
import type { ThrottleLimits } from '@ashlar/block';
// Loaded here before any worker: a native library that only a worker loaded is unmapped when that worker ends, while its
// threads still run in it, and the process would crash.
import '@ashlar/host';
import {
  AshlarError,
  type ObjectStore,
  type PoolStatus,
  type ScrubCommand,
  type ScrubReport,
  type SnapshotId,
  type StoreId,
} from '@ashlar/core';
import type { AcceptedSocket } from '@ashlar/host';
import type { CallCountsView, HeldLock } from '@ashlar/nfs';
import type { VolumePlace, VolumeStores } from '@ashlar/volume';
import type { ControlFunctions } from './control-functions.ts';
import type { DataPlaneFunctions } from './data-plane.ts';
import type {
  Adoption,
  Changes,
  ConnectionInfo,
  DeviceFacts,
  Grant,
  NfsClientInfo,
  NfsConnectionInfo,
  NfsGrant,
  NfsOptions,
  NfsPlace,
  Selection,
  WorkerSettings,
} from './messages.ts';
import { Calls, type Remote } from './rpc.ts';
import { startWorker } from './start-worker.ts';

type PlaneOptions = {
  /** One that was started ahead; without it one is started now. */
  readonly worker?: Worker | undefined;
  readonly settings: WorkerSettings;
  /** What the worker asks of this thread. */
  readonly control: ControlFunctions;
  /** The worker died: nothing can be served any more, and the process must end. Called at most once, never after `close`. */
  readonly onDeath: (error: Error) => void;
};

/** `open` opens the pool; the others are there when it settled. */
type WorkerFunctions = DataPlaneFunctions & { readonly open: (settings: WorkerSettings) => Promise<void> };

/**
 * The data plane as the control plane sees it: its worker, started and told what to do. A pool has one worker, so all
 * volumes are placed on it; a caller names volumes and never workers.
 */
export class Plane {
  readonly #worker: Worker;
  readonly #calls: Calls<WorkerFunctions>;
  /** Before it is open and once it is being closed an end is told to the caller, not to `onDeath`. */
  #expectsEnd = true;
  /** The pool's system store. */
  readonly records: Pick<ObjectStore, 'commit' | 'scanRecords'>;
  readonly stores: VolumeStores;

  private constructor(worker: Worker, options: PlaneOptions) {
    this.#worker = worker;
    this.#calls = new Calls<WorkerFunctions>(worker, options.control);
    const remote = this.#remote;
    this.records = {
      commit: (changes, durable) => remote.commitRecords(changes, durable),
      scanRecords: (from, to, limit) => remote.scanRecords(from, to, limit),
    };
    this.stores = {
      create: (sizeBytes, preallocation, compression) => remote.createVolume(sizeBytes, preallocation, compression),
      createTree: (_sizeBytes, compression) => remote.createTree(compression),
      resizeTree: (place, sizeBytes) => remote.resizeTree(place, sizeBytes),
      setCompression: (storeId, compression) => remote.setCompression(storeId, compression),
      resize: (place, sizeBytes) => remote.resizeVolume(place, sizeBytes),
      release: (storeId, force) => remote.releaseVolume(storeId, force),
      remove: (storeId) => remote.removeVolume(storeId),
      list: () => remote.listVolumes(),
      reserve: (storeId, bytes, mustFit) => remote.reserve(storeId, bytes, mustFit),
      usage: (place) => remote.usageOf(place),
      space: (place, snapshotId) => remote.spaceOf(place, snapshotId),
      snapshot: (volumes) => remote.snapshotVolumes(volumes.map(({ storeId, type }) => ({ storeId, type }))),
      listSnapshots: () => remote.listSnapshots(),
      releaseSnapshot: (storeId, snapshotId, force) => remote.releaseSnapshot(storeId, snapshotId, force),
      removeSnapshot: (storeId, snapshotId) => remote.removeSnapshot(storeId, snapshotId),
      clone: (storeId, snapshotId) => remote.cloneVolume(storeId, snapshotId),
      flatten: ({ storeId, type }) => remote.flattenVolume({ storeId, type }),
      rollBack: ({ storeId, type }, snapshotId) => remote.rollBackVolume({ storeId, type }, snapshotId),
    };
    const die = (error: Error): void => {
      this.#calls.close(new AshlarError('failed', `the data worker is gone: ${error.message}`, {}, error));
      if (!this.#expectsEnd) options.onDeath(error);
      this.#expectsEnd = true;
    };
    worker.on('error', (error) => die(error instanceof Error ? error : new Error(String(error))));
    worker.on('exit', (code) => die(new Error(`it ended with status ${code}`)));
  }

  /** Opens the pool in the worker. Throws what the pool throws: `busy` when another process has it. */
  static async start(options: PlaneOptions): Promise<Plane> {
    const { worker = startWorker(), settings } = options;
    worker.ref();
    const plane = new Plane(worker, options);
    try {
      await plane.#remote.open(settings);
      plane.#expectsEnd = false;
      return plane;
    } catch (error) {
      await worker.terminate();
      throw error;
    }
  }

  get #remote(): Remote<WorkerFunctions> {
    return this.#calls.remote;
  }

  status(): Promise<PoolStatus> {
    return this.#remote.status();
  }

  /** Most that the pool's data may take; nothing: what the disk has. */
  setCapacity(bytes: number | undefined): Promise<void> {
    return this.#remote.setCapacity(bytes);
  }

  /** Opens the device where it is not open yet. */
  describe(grant: Grant): Promise<DeviceFacts> {
    return this.#remote.describe(grant);
  }

  /** The same of what is to be offered from now on: `invalid` where it is a file that is taken for a disk by mistake. */
  describeNew(grant: Grant): Promise<DeviceFacts> {
    return this.#remote.describeNew(grant);
  }

  /** Hands a connection over: its descriptor belongs to the worker from this call on. */
  adopt(adoption: Adoption): Promise<void> {
    return this.#remote.adopt(adoption);
  }

  /** Opens a directory that is to be exported. Throws what keeps it from that. */
  openDirectory(path: string): Promise<void> {
    return this.#remote.openDirectory(path);
  }

  /** What is exported over NFS from now on, and nothing else. */
  offerTrees(grants: readonly NfsGrant[]): Promise<void> {
    return this.#remote.offerTrees(grants);
  }

  /** NFS is listened for there. Gives whether a port mapper of somebody else tells of it. */
  openNfs(place: NfsPlace): Promise<boolean> {
    return this.#remote.openNfs(place);
  }

  nfsClients(): Promise<readonly NfsClientInfo[]> {
    return this.#remote.listNfsClients();
  }

  /** Of all clients, by procedure. */
  nfsCalls(): Promise<CallCountsView> {
    return this.#remote.nfsCalls();
  }

  setNfsOptions(options: NfsOptions): Promise<void> {
    return this.#remote.setNfsOptions(options);
  }

  locks(): Promise<readonly HeldLock[]> {
    return this.#remote.listLocks();
  }

  /** Hands a connection over that speaks NFS. */
  adoptNfs(id: number, socket: AcceptedSocket): Promise<void> {
    return this.#remote.adoptNfs(id, socket);
  }

  nfsConnections(): Promise<readonly NfsConnectionInfo[]> {
    return this.#remote.listNfsConnections();
  }

  connections(): Promise<readonly ConnectionInfo[]> {
    return this.#remote.listConnections();
  }

  /** Ends connections; gives how many. */
  disconnect(selection: Selection): Promise<number> {
    return this.#remote.disconnect(selection);
  }

  changesOf(
    place: VolumePlace,
    since: SnapshotId,
    until: SnapshotId | undefined,
    offset: number,
    limit: number,
  ): Promise<Changes> {
    return this.#remote.changesOf(place, since, until, offset, limit);
  }

  scrub(command: ScrubCommand): Promise<ScrubReport> {
    return this.#remote.scrub(command);
  }

  setLimits(storeId: StoreId, limits: ThrottleLimits): Promise<void> {
    return this.#remote.setLimits(storeId, limits);
  }

  /** Lets connections finish as `close` does and makes durable what they wrote; nobody may attach from then on. */
  drain(timeoutMs: number): Promise<number> {
    return this.#remote.drain(timeoutMs);
  }

  /**
   * Lets connections finish what they sent, for at most `timeoutMs`, makes everything durable, closes the pool and ends
   * the worker. Gives how many connections had to be cut off.
   */
  async close(timeoutMs: number): Promise<number> {
    this.#expectsEnd = true;
    const cut = await this.#remote.close(timeoutMs);
    await this.#worker.terminate();
    return cut;
  }
}
