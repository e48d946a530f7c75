/**
 * Numbers of the NBD protocol document (proto.md) and of its branch extension-ext-header. They are written down here a
 * second time on purpose: the suite shares nothing with the servers that it judges, not even a constant.
 */
export const magic = {
  greeting: 0x4e42444d41474943n,
  option: 0x49484156454f5054n,
  oldstyle: 0x00420281861253n,
  optionReply: 0x0003e889045565a9n,
  request: 0x25609513,
  simpleReply: 0x67446698,
  structuredReply: 0x668e33ef,
  extendedRequest: 0x21e41c71,
  extendedReply: 0x6e8a278c,
  historicRequest: 0x12560953,
} as const;

/** Flags of the greeting, and the client's answer to it. */
export const handshakeFlag = { fixedNewstyle: 1, noZeroes: 2 } as const;

export const option = {
  exportName: 1,
  abort: 2,
  list: 3,
  peekExport: 4,
  startTls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
  listMetaContext: 9,
  setMetaContext: 10,
  extendedHeaders: 11,
} as const;

export const optionReply = {
  ack: 1,
  server: 2,
  info: 3,
  metaContext: 4,
  errorUnsupported: 0x80000001,
  errorPolicy: 0x80000002,
  errorInvalid: 0x80000003,
  errorPlatform: 0x80000004,
  errorTlsRequired: 0x80000005,
  errorUnknown: 0x80000006,
  errorShutdown: 0x80000007,
  errorBlockSizeRequired: 0x80000008,
  errorTooBig: 0x80000009,
  errorExtendedHeadersRequired: 0x8000000a,
} as const;

export const info = { export: 0, name: 1, description: 2, blockSize: 3 } as const;

export const transmissionFlag = {
  hasFlags: 1,
  readOnly: 2,
  flush: 4,
  fua: 8,
  rotational: 16,
  trim: 32,
  writeZeroes: 64,
  df: 128,
  multiConnection: 256,
  resize: 512,
  cache: 1024,
  fastZero: 2048,
  blockStatusPayload: 4096,
} as const;

export const command = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  cache: 5,
  writeZeroes: 6,
  blockStatus: 7,
  resize: 8,
} as const;

export const commandFlag = {
  fua: 1,
  noHole: 2,
  df: 4,
  reqOne: 8,
  fastZero: 16,
  payloadLength: 32,
} as const;

export const replyFlagDone = 1;

export const chunkType = {
  none: 0,
  offsetData: 1,
  offsetHole: 2,
  blockStatus: 5,
  blockStatusExtended: 6,
  error: 0x8001,
  errorOffset: 0x8002,
} as const;

export const errno = {
  permission: 1,
  io: 5,
  noMemory: 12,
  invalid: 22,
  noSpace: 28,
  overflow: 75,
  notSupported: 95,
  shutdown: 108,
} as const;

export const state = { hole: 1, zero: 2 } as const;

/** "MUST be no longer than 4096 bytes" (Conventions). */
export const maximumString = 4096;
/** What a server without advertised constraints should take: 32 MiB (Size constraints). */
export const defaultMaximumPayload = 2 ** 25;

const nameOf =
  (names: ReadonlyMap<number, string>, other: string) =>
  (value: number): string =>
    names.get(value) ?? `${other} ${value < 0x10000 ? value : `0x${value.toString(16)}`}`;

const optionNames = new Map<number, string>([
  [option.exportName, 'NBD_OPT_EXPORT_NAME'],
  [option.abort, 'NBD_OPT_ABORT'],
  [option.list, 'NBD_OPT_LIST'],
  [option.peekExport, 'NBD_OPT_PEEK_EXPORT'],
  [option.startTls, 'NBD_OPT_STARTTLS'],
  [option.info, 'NBD_OPT_INFO'],
  [option.go, 'NBD_OPT_GO'],
  [option.structuredReply, 'NBD_OPT_STRUCTURED_REPLY'],
  [option.listMetaContext, 'NBD_OPT_LIST_META_CONTEXT'],
  [option.setMetaContext, 'NBD_OPT_SET_META_CONTEXT'],
  [option.extendedHeaders, 'NBD_OPT_EXTENDED_HEADERS'],
]);
const optionReplyNames = new Map<number, string>([
  [optionReply.ack, 'NBD_REP_ACK'],
  [optionReply.server, 'NBD_REP_SERVER'],
  [optionReply.info, 'NBD_REP_INFO'],
  [optionReply.metaContext, 'NBD_REP_META_CONTEXT'],
  [optionReply.errorUnsupported, 'NBD_REP_ERR_UNSUP'],
  [optionReply.errorPolicy, 'NBD_REP_ERR_POLICY'],
  [optionReply.errorInvalid, 'NBD_REP_ERR_INVALID'],
  [optionReply.errorPlatform, 'NBD_REP_ERR_PLATFORM'],
  [optionReply.errorTlsRequired, 'NBD_REP_ERR_TLS_REQD'],
  [optionReply.errorUnknown, 'NBD_REP_ERR_UNKNOWN'],
  [optionReply.errorShutdown, 'NBD_REP_ERR_SHUTDOWN'],
  [optionReply.errorBlockSizeRequired, 'NBD_REP_ERR_BLOCK_SIZE_REQD'],
  [optionReply.errorTooBig, 'NBD_REP_ERR_TOO_BIG'],
  [optionReply.errorExtendedHeadersRequired, 'NBD_REP_ERR_EXT_HEADER_REQD'],
]);
const commandNames = new Map<number, string>([
  [command.read, 'NBD_CMD_READ'],
  [command.write, 'NBD_CMD_WRITE'],
  [command.disconnect, 'NBD_CMD_DISC'],
  [command.flush, 'NBD_CMD_FLUSH'],
  [command.trim, 'NBD_CMD_TRIM'],
  [command.cache, 'NBD_CMD_CACHE'],
  [command.writeZeroes, 'NBD_CMD_WRITE_ZEROES'],
  [command.blockStatus, 'NBD_CMD_BLOCK_STATUS'],
]);
const errnoNames = new Map<number, string>([
  [0, 'success'],
  [errno.permission, 'NBD_EPERM'],
  [errno.io, 'NBD_EIO'],
  [errno.noMemory, 'NBD_ENOMEM'],
  [errno.invalid, 'NBD_EINVAL'],
  [errno.noSpace, 'NBD_ENOSPC'],
  [errno.overflow, 'NBD_EOVERFLOW'],
  [errno.notSupported, 'NBD_ENOTSUP'],
  [errno.shutdown, 'NBD_ESHUTDOWN'],
]);

/** Names for people, with the number where it is in no table. */
export const nameOfOption = nameOf(optionNames, 'option');
export const nameOfOptionReply = nameOf(optionReplyNames, 'reply type');
export const nameOfCommand = nameOf(commandNames, 'command');
export const nameOfErrno = nameOf(errnoNames, 'error');

export const isErrorReply = (type: number): boolean => type >= 0x80000000;
export const isKnownErrno = (value: number): boolean => errnoNames.has(value);
