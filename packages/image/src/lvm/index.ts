export {
  allocatedRuns,
  freeRuns,
  isSnapshotRecord,
  type LogicalVolume,
  type PhysicalVolume,
  type Segment,
  type SnapshotSegment,
  type VolumeGroup,
} from './group.ts';
export type { FoundArea, FoundPhysical } from './physical.ts';
export { freeCount } from './allocate.ts';
export { lockOperation } from './locks.ts';
export { createGroup, createPhysical, extendGroup, removePhysical } from './group-commands.ts';
export { createLogical, extendLogical, removeLogical, renameLogical } from './volume-commands.ts';
export { groupNamed, scan, type FoundGroup, type Scan } from './scan.ts';
