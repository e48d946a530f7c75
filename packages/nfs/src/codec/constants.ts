/** NFS version 3 (RFC 1813). */
export const nfsProgram = 100_003;
export const nfsVersion = 3;

/** nfsstat3 (section 2.6). */
export const status = {
  ok: 0,
  notOwner: 1,
  notFound: 2,
  io: 5,
  noDevice: 6,
  access: 13,
  exists: 17,
  crossDevice: 18,
  noSuchDevice: 19,
  notDirectory: 20,
  isDirectory: 21,
  invalid: 22,
  tooBig: 27,
  noSpace: 28,
  readOnly: 30,
  tooManyLinks: 31,
  nameTooLong: 63,
  notEmpty: 66,
  quota: 69,
  stale: 70,
  remote: 71,
  badHandle: 10_001,
  notSync: 10_002,
  badCookie: 10_003,
  notSupported: 10_004,
  tooSmall: 10_005,
  serverFault: 10_006,
  badType: 10_007,
  jukebox: 10_008,
} as const;

/** ftype3 (section 2.6). */
export const fileType = { regular: 1, directory: 2, block: 3, character: 4, link: 5, socket: 6, fifo: 7 } as const;

/** stable_how (section 3.3.7). */
export const stability = { unstable: 0, data: 1, file: 2 } as const;

/** createmode3 (section 3.3.8). */
export const createMode = { unchecked: 0, guarded: 1, exclusive: 2 } as const;

/** Bits of ACCESS (section 3.3.4). */
export const accessBit = { read: 1, lookup: 2, modify: 4, extend: 8, delete: 16, execute: 32 } as const;

/** Bits of FSINFO's properties (section 3.3.19). */
export const fileSystemBit = { link: 1, symlink: 2, homogeneous: 8, canSetTime: 16 } as const;

export const mostHandleBytes = 64;
export const cookieVerifierBytes = 8;
export const createVerifierBytes = 8;
export const writeVerifierBytes = 8;

/** MOUNT (RFC 1813, appendix I; RFC 1094, appendix A, for version 1). */
export const mountProgram = 100_005;
export const mountStatus = {
  ok: 0,
  notOwner: 1,
  notFound: 2,
  io: 5,
  access: 13,
  notDirectory: 20,
  invalid: 22,
  nameTooLong: 63,
  notSupported: 10_004,
  serverFault: 10_006,
} as const;
export const mostPathBytes = 1024;
export const mostHostBytes = 255;
