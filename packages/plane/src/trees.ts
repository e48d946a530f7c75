import type { FileTree, ObjectStore, Pool, SnapshotId, StoreId } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import { makeTree, mostTreeBytes, openObjectTree, rollBackRecords, type HeldTree, type VolumeTree } from '@ashlar/tree';
import type { VolumePlace } from '@ashlar/volume';
import type { Directories } from './directories.ts';
import type { Stores } from './stores.ts';

/** What a new tree's root may be used for: only root's own, until root says otherwise. */
const rootOwner = { uid: 0, gid: 0, mode: 0o755 } as const;

type Open = { readonly tree: Promise<VolumeTree>; readonly snapshots: Map<SnapshotId, Promise<FileTree>> };

/** The file trees of volumes that are open in this worker, and of their snapshots, each once. They stay open until they are closed. */
export class Trees {
  readonly #pool: Pick<Pool, 'status'>;
  readonly #stores: Stores;
  readonly #host: Host;
  readonly directories: Directories;
  readonly #open = new Map<StoreId, Open>();
  /** Most that the files of a tree may take, where somebody said so. */
  readonly #mostBytes = new Map<StoreId, number>();

  constructor(pool: Pick<Pool, 'status'>, stores: Stores, host: Host, directories: Directories) {
    this.#pool = pool;
    this.#stores = stores;
    this.#host = host;
    this.directories = directories;
  }

  /** Makes an empty tree in a store that has nothing; durable when it settles. */
  async make(storeId: StoreId): Promise<VolumePlace> {
    const store = await this.#stores.open(storeId);
    const objectId = await store.create(mostTreeBytes, 'off');
    await makeTree(store, objectId, this.#host, rootOwner);
    return { storeId, objectId };
  }

  open(storeId: StoreId): Promise<VolumeTree> {
    return this.#opened(storeId).tree;
  }

  /** As a snapshot has it. */
  openSnapshot(storeId: StoreId, snapshotId: SnapshotId): Promise<FileTree> {
    const { snapshots, tree } = this.#opened(storeId);
    const there = snapshots.get(snapshotId);
    if (there !== undefined) return there;
    const opening = this.#openView(storeId, snapshotId, tree);
    snapshots.set(snapshotId, opening);
    opening.catch(() => snapshots.delete(snapshotId));
    return opening;
  }

  /** Most that its files may take from now on. */
  resize(storeId: StoreId, sizeBytes: number): void {
    this.#mostBytes.set(storeId, sizeBytes);
  }

  /** Keeps these as they are until `release`, for a snapshot of them all. Rejects with nothing kept. */
  async hold(storeIds: readonly StoreId[]): Promise<HeldTree[]> {
    const held: HeldTree[] = [];
    try {
      for (const storeId of storeIds) held.push(await (await this.open(storeId)).hold());
      return held;
    } catch (error) {
      for (const each of held) {
        await each.failed();
        each.release();
      }
      throw error;
    }
  }

  /** Of a snapshot that nobody uses any more. */
  async closeSnapshot(storeId: StoreId, snapshotId: SnapshotId): Promise<void> {
    const snapshots = this.#open.get(storeId)?.snapshots;
    const opening = snapshots?.get(snapshotId);
    snapshots?.delete(snapshotId);
    const tree = await opening?.catch(() => undefined);
    await tree?.close();
  }

  /** Snapshots of the store were removed. */
  async forgetSnapshots(storeId: StoreId): Promise<void> {
    const tree = await this.#open.get(storeId)?.tree;
    if (tree !== undefined) await keepSnapshots(tree, await this.#stores.open(storeId));
  }

  /** The store was rolled back to its newest snapshot; the tree is closed. */
  async rollBack(storeId: StoreId, snapshotId: SnapshotId): Promise<void> {
    await rollBackRecords(await this.#stores.open(storeId), snapshotId);
  }

  /** As of the tree. */
  async flatten(storeId: StoreId): ReturnType<VolumeTree['flatten']> {
    return (await this.open(storeId)).flatten();
  }

  /** Of one that nobody uses any more. */
  async close(storeId: StoreId): Promise<void> {
    const open = this.#open.get(storeId);
    if (open === undefined) return;
    for (const snapshotId of open.snapshots.keys()) await this.closeSnapshot(storeId, snapshotId);
    const tree = await open.tree.catch(() => undefined);
    this.#open.delete(storeId);
    await tree?.close();
  }

  async closeAll(): Promise<void> {
    for (const storeId of this.#open.keys()) await this.close(storeId);
    await this.directories.keep(new Set());
  }

  #opened(storeId: StoreId): Open {
    const there = this.#open.get(storeId);
    if (there !== undefined) return there;
    const open: Open = { tree: Promise.try(() => this.#openTree(storeId)), snapshots: new Map() };
    this.#open.set(storeId, open);
    open.tree.catch(() => this.#open.delete(storeId));
    return open;
  }

  async #openTree(storeId: StoreId): Promise<VolumeTree> {
    const store = await this.#stores.open(storeId);
    const room = async () => {
      const object = (await this.open(storeId)).object;
      const { allocatedBytes } = await store.usageOf(object);
      const { availableBytes } = await this.#pool.status();
      const totalBytes = this.#mostBytes.get(storeId) ?? allocatedBytes + availableBytes;
      const leftBytes = Math.max(0, totalBytes - allocatedBytes);
      return { totalBytes, leftBytes, freeBytes: Math.max(0, Math.min(leftBytes, availableBytes)) };
    };
    const { clock, random } = this.#host;
    const tree = await openObjectTree(store, { clock, random, room });
    await keepSnapshots(tree, store);
    return tree;
  }

  async #openView(storeId: StoreId, snapshotId: SnapshotId, opening: Promise<VolumeTree>): Promise<FileTree> {
    const tree = await opening;
    const store = await this.#stores.open(storeId);
    const view = store.openSnapshot(snapshotId);
    try {
      return await tree.openSnapshot(view);
    } catch (error) {
      view.close();
      throw error;
    }
  }
}

const keepSnapshots = (tree: VolumeTree, store: Pick<ObjectStore, 'snapshots'>): Promise<void> =>
  tree.keepSnapshots(new Set(store.snapshots().map(({ id }) => id)));
