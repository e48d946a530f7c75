export { fileOf, schemeOf, type DiskFile } from './names.ts';
export { openDisk } from './open-disk.ts';
export type { OpenDisk, OpenDiskOptions } from './options.ts';
export { parseFields, parseQemuOptions, type NamedDisk } from './qemu-options.ts';
