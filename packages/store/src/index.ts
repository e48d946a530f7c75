export { openPool, type ChunkPool, type PoolOptions } from './pool.ts';
export type { BrokenRule } from './broken-rule.ts';
