export type { Host, HostFile, HostStat, OpenOptions } from './host.ts';
export { createRealHost } from './real/host.ts';
export { Descriptor } from './real/descriptor.ts';
export { closeDescriptor } from './ffi/descriptor.ts';
export { errno } from './ffi/errno.ts';
export { obeyLimits } from './ffi/capabilities.ts';
export { modeOpen } from './ffi/chmod.ts';
export { accessMode, accessOpen } from './ffi/faccessat2.ts';
export { ownOpen } from './ffi/fchownat.ts';
export { kernelHandleOf, openKernelHandle } from './ffi/file-handle.ts';
export { statFileSystem, type FileSystemStat } from './ffi/fstatfs.ts';
export { cutOpen } from './ffi/ftruncate.ts';
export { nextEntries, seekEntry, type ListedName } from './ffi/getdents64.ts';
export { linkOpen } from './ffi/linkat.ts';
export { seekTo } from './ffi/lseek.ts';
export { makeDirectoryAt } from './ffi/mkdirat.ts';
export { makeNodeAt } from './ffi/mknodat.ts';
export { openAgain, openDirectory, openNameless, openNew, openToName } from './ffi/openat.ts';
export { readCached, readOnPool, readWaiting } from './ffi/pread.ts';
export { writeAt } from './ffi/pwrite.ts';
export { linkText, pathOf } from './ffi/readlinkat.ts';
export { renameAt } from './ffi/renameat.ts';
export { statNamed, statOpen, type FileStat } from './ffi/statx.ts';
export { makeLinkAt } from './ffi/symlinkat.ts';
export { syncOnPool } from './ffi/sync.ts';
export {
  changeUmask,
  isThread,
  ownUmask,
  setThreadGroup,
  setThreadGroups,
  setThreadUser,
} from './ffi/thread-credentials.ts';
export { removeAt } from './ffi/unlinkat.ts';
export { timeOpen } from './ffi/utimensat.ts';
export { sendDatagram } from './ffi/datagram.ts';
export { endProcess } from './ffi/end-process.ts';
export { giveMemoryBack } from './ffi/give-memory-back.ts';
export { groupsOfUser } from './ffi/groups.ts';
export { firstOtherXxh64, xxh64Blocks, xxh64Low } from './ffi/xxh64.ts';
export { zstdCompress, zstdCompressOffThread, zstdDecompress, zstdFrameBytes } from './ffi/zstd.ts';
export { EventLoop, type EventLoopOptions } from './event-loop/event-loop.ts';
export { takeSocket } from './event-loop/hand-over.ts';
export type { AcceptedSocket } from './event-loop/plain-stream.ts';
