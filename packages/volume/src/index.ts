export { AddressRanges, checkCidr, isLoopback } from './addresses.ts';
export { Catalogue } from './catalogue.ts';
export type { ExportChange, NewExport } from './exports.ts';
export { ownRules, refuseTree } from './file-volumes.ts';
export type { Flattening } from './flattening.ts';
export { heldError } from './loss.ts';
export { exportProtocols, type ExportProtocol } from './protocols.ts';
export { readCatalogue } from './read.ts';
export type { FoundSnapshot, NewSnapshot, Snapshots } from './snapshots.ts';
export type { VolumeStores } from './stores.ts';
export {
  afterLossChoices,
  volumeTypes,
  type AfterLoss,
  type Export,
  type NewVolume,
  type NfsClient,
  type NfsRules,
  type SnapshotSchedule,
  type Volume,
  type VolumePlace,
  type VolumeType,
  type VolumeSnapshot,
} from './types.ts';
export { directoryNamedBy, directoryUri, fileNamedBy } from './uri.ts';
