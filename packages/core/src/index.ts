export { AshlarError, errorKindOf, errorKinds, type ErrorContext, type ErrorKind } from './errors.ts';
export { assert, AssertionError } from './assert.ts';
export { allDone, andThen, isPromise, settle, type Settled } from './settle.ts';
export { costOf, FairQueue, type Flow, type Turn } from './fair-queue.ts';
export { mergeExtents, type Extent, type ExtentState } from './extents.ts';
export { alignDown, alignUp, formatSize, GiB, isPowerOfTwo, KiB, maxOffset, MiB, parseSize, TiB } from './units.ts';
export { hasZeroBlock, isZero, zeroRuns, type ZeroRun } from './zero-runs.ts';
export type { Clock, Random, Scheduler, Timer } from './seams.ts';
export type { Stream, StreamPeer } from './stream.ts';
export type {
  BlockBitmaps,
  BlockCapabilities,
  BlockDevice,
  BlockHistory,
  BlockSizes,
  Capability,
  ZeroMode,
} from './block-device.ts';
export {
  compressions,
  type Change,
  type Compression,
  type Depth,
  type ObjectId,
  type ObjectReader,
  type ObjectStore,
  type OriginRecords,
  type Position,
  type Preallocation,
  type RecordChange,
  type Snapshot,
  type SnapshotId,
  type SnapshotView,
  type Space,
  type Usage,
} from './object-store.ts';
export type { RecordStore } from './record-store.ts';
export {
  foundDamage,
  systemStore,
  type FlattenProgress,
  type Pool,
  type PoolState,
  type PoolStatus,
  type RecordsWalk,
  type ScrubCommand,
  type ScrubFinding,
  type ScrubReport,
  type ScrubState,
  type StoreId,
} from './pool.ts';
export { mostAclEntries, type Acl, type AclEntry, type AclTag, type FileAcls, type NewFileAcls } from './acl.ts';
export {
  fileAccess,
  mostFileHandleBytes,
  type ChangeRequest,
  type Credentials,
  type DeviceNumbers,
  type DirectoryEntry,
  type FileAttributes,
  type FileChange,
  type FileCreation,
  type FileHandle,
  type FileState,
  type FileTime,
  type FileTree,
  type FileType,
  type LinkedFile,
  type MadeFile,
  type NewFileAttributes,
  type NewFileTime,
  type Receipt,
  type RenamedFile,
  type Stability,
  type TreeAcls,
  type TreeLimits,
  type TreeStatistics,
} from './file-tree.ts';
