export { AddressRanges, checkCidr, isLoopback } from './addresses.ts';
export { Catalogue } from './catalogue.ts';
export type { NewExport } from './exports.ts';
export type { Flattening } from './flattening.ts';
export { heldError } from './loss.ts';
export { readCatalogue } from './read.ts';
export type { FoundSnapshot, NewSnapshot, Snapshots } from './snapshots.ts';
export type { VolumeStores } from './stores.ts';
export {
  afterLossChoices,
  exportProtocols,
  type AfterLoss,
  type Export,
  type NewVolume,
  type SnapshotSchedule,
  type Volume,
  type VolumePlace,
  type VolumeSnapshot,
} from './types.ts';
export { fileNamedBy } from './uri.ts';
