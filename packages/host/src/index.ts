export type { Host, HostFile, HostStat, OpenOptions } from './host.ts';
export { createRealHost } from './real/host.ts';
export { sendDatagram } from './ffi/datagram.ts';
export { giveMemoryBack } from './ffi/give-memory-back.ts';
export { firstOtherXxh64, xxh64Blocks, xxh64Low } from './ffi/xxh64.ts';
export { zstdCompress, zstdDecompress, zstdFrameBytes } from './ffi/zstd.ts';
export { EventLoop, type EventLoopOptions } from './event-loop/event-loop.ts';
export { takeSocket } from './event-loop/hand-over.ts';
export type { AcceptedSocket } from './event-loop/plain-stream.ts';
