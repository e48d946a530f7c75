export { openPool, type ChunkPool, type PoolOptions } from './pool.ts';
export { PoolInspection } from './inspect/pool-inspection.ts';
export type { JournalFrame, JournalFrameRecord } from './inspect/journal-view.ts';
export type { MapRow } from './inspect/map-rows.ts';
export type { RecordRow } from './inspect/record-rows.ts';
export type { SlotView } from './inspect/slot-view.ts';
export type { BrokenRule } from './broken-rule.ts';
export type { PoolReport } from './inspect/check.ts';
export type { Problem } from './inspect/findings.ts';
