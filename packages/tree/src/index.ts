export { openObjectTree, type HeldTree, type VolumeTree } from './objects/object-tree.ts';
export { rollBackRecords } from './objects/roll-back.ts';
export { makeTree, type OpenTreeOptions } from './objects/open-tree.ts';
export type { TreeStore } from './objects/tree-state.ts';
export { mostTreeBytes } from './objects/regions.ts';
export { openDirectoryTree, type OpenDirectoryOptions } from './directory/open-directory.ts';
