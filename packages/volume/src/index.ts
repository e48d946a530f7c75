export { AddressRanges, checkCidr, isLoopback } from './addresses.ts';
export { Catalogue, type NewExport, type NewVolume } from './catalogue.ts';
export { heldError } from './loss.ts';
export { readCatalogue } from './read.ts';
export type { VolumeStores } from './stores.ts';
export {
  afterLossChoices,
  exportProtocols,
  type AfterLoss,
  type Export,
  type Volume,
  type VolumePlace,
} from './types.ts';
export { filePathOf } from './uri.ts';
