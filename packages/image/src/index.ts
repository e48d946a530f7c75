export { checkImage, type CheckImageOptions } from './check-image.ts';
export { createImage, sizeOfNew, type ImagePreallocation, type NewImage } from './create-image.ts';
export { commitImage, type CommitOptions } from './chain/commit.ts';
export { rebaseImage, type RebaseOptions } from './chain/rebase.ts';
export { CompareError, compareDisks, type Comparison } from './copy/compare.ts';
export { copyDisk, type CopyOptions } from './copy/copy-disk.ts';
export { createTarget } from './copy/create-target.ts';
export { mapChain, mapDevice, type MapRun } from './copy/map.ts';
export { concatenated, partOf, sourceOf, type CopySource } from './copy/source.ts';
export { deviceTarget, type CopyTarget } from './copy/target.ts';
export { bitmapBytes, measureImage, type Measured } from './measure.ts';
export { openChain, type Chain } from './qcow2/chain.ts';
export { bitmapsToCopy, copyBitmaps } from './qcow2/bitmaps/copy-bitmaps.ts';
export { changeSnapshots } from './image-snapshots.ts';
export { imageInfo, type ImageInfo } from './info.ts';
export { createFileDevice } from './raw/file-device.ts';
export { openSource, type HostSource } from './open-source.ts';
export { resizeImage, type ResizeImageOptions } from './resize-image.ts';
export { openImage, type ImageFormat, type OpenImageOptions } from './qcow2/open.ts';
export {
  allocatedRuns,
  freeRuns,
  isSnapshotRecord,
  type LogicalVolume,
  type PhysicalVolume,
  type Segment,
  type SnapshotSegment,
  type VolumeGroup,
} from './lvm/group.ts';
export type { FoundArea, FoundPhysical } from './lvm/physical.ts';
export { freeCount } from './lvm/allocate.ts';
export { lockOperation } from './lvm/locks.ts';
export { createGroup, createPhysical, extendGroup, removePhysical } from './lvm/group-commands.ts';
export { createLogical, extendLogical, removeLogical, renameLogical } from './lvm/volume-commands.ts';
export { groupNamed, scan, type FoundGroup, type Scan } from './lvm/scan.ts';
export { FrameEncoder, mostDataBytes, type StreamHeader } from './volume-stream/frame.ts';
export { readFrames, type StreamFrame } from './volume-stream/read-frames.ts';
export type { CheckResult } from './qcow2/check/findings.ts';
