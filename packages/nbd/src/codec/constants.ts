/** Numbers of the NBD protocol (proto.md of the NetworkBlockDevice project), under the document's own names. */

export const magic = {
  /** 'NBDMAGIC' and 'IHAVEOPT' as two halves each: 64-bit numbers are not exact. */
  nbdHigh: 0x4e42444d,
  nbdLow: 0x41474943,
  optionHigh: 0x49484156,
  optionLow: 0x454f5054,
  optionReplyHigh: 0x0003e889,
  optionReplyLow: 0x045565a9,
  request: 0x25609513,
  extendedRequest: 0x21e41c71,
  simpleReply: 0x67446698,
  structuredReply: 0x668e33ef,
  extendedReply: 0x6e8a278c,
} as const;

export const handshakeFlag = { fixedNewstyle: 1, noZeroes: 2 } as const;

export const transmissionFlag = {
  hasFlags: 1,
  readOnly: 2,
  sendFlush: 4,
  sendFua: 8,
  sendTrim: 32,
  sendWriteZeroes: 64,
  sendDf: 128,
  canMultiConn: 256,
  /** The document's branch extension-resize. */
  sendResize: 512,
  sendCache: 1024,
  sendFastZero: 2048,
  blockStatusPayload: 4096,
} as const;

export const option = {
  exportName: 1,
  abort: 2,
  list: 3,
  startTls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
  listMetaContext: 9,
  setMetaContext: 10,
  extendedHeaders: 11,
} as const;

const errorBit = 2 ** 31;

export const optionReply = {
  ack: 1,
  server: 2,
  info: 3,
  metaContext: 4,
  unsupported: errorBit + 1,
  policy: errorBit + 2,
  invalid: errorBit + 3,
  tlsRequired: errorBit + 5,
  unknown: errorBit + 6,
  shutdown: errorBit + 7,
  tooBig: errorBit + 9,
  extendedHeadersRequired: errorBit + 10,
} as const;

export const info = { export: 0, name: 1, description: 2, blockSize: 3 } as const;

export const command = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  cache: 5,
  writeZeroes: 6,
  blockStatus: 7,
  /** The document's branch extension-resize. */
  resize: 8,
} as const;

export const commandFlag = { fua: 1, noHole: 2, df: 4, reqOne: 8, fastZero: 16, payloadLength: 32 } as const;

export const chunk = {
  none: 0,
  offsetData: 1,
  offsetHole: 2,
  blockStatus: 5,
  blockStatusExtended: 6,
  error: 32769,
  errorOffset: 32770,
} as const;

export const chunkFlag = { done: 1 } as const;

export const extentFlag = { hole: 1, zero: 2 } as const;

export const errorCode = {
  EPERM: 1,
  EIO: 5,
  ENOMEM: 12,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
  ENOTSUP: 95,
  ESHUTDOWN: 108,
} as const;

/** The metadata context that every server with extents has. */
export const baseAllocation = 'base:allocation';
