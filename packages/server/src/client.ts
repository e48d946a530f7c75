/**
 * What a program needs to know of a server that runs elsewhere, or before it starts one. Nothing of the server itself is
 * loaded with it: commands that only talk to a server start quickly.
 */
export { adminSocketName } from './data-directory.ts';
export { tokenFileName } from './process/token.ts';
export { version } from './version.ts';
export { parseVolumeOption } from './volume-option.ts';
