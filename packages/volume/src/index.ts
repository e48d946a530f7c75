export { AddressRanges, checkCidr, isLoopback } from './addresses.ts';
export { Catalogue, type NewExport, type NewVolume } from './catalogue.ts';
export { checkName } from './names.ts';
export type { VolumeStores } from './stores.ts';
export { exportProtocols, type Export, type ExportProtocol, type Volume, type VolumePlace } from './types.ts';
export { filePathOf } from './uri.ts';
