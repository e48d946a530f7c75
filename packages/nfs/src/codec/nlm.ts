import { bigU64, bool, i32, opaque, struct, text, u32, xdrVoid, type ValueOf, type XdrType } from '@ashlar/wire';

/** The network lock manager, version 4 (RFC 1813, appendix II; X/Open XNFS, chapter 10). */
export const nlmProgram = 100_021;
export const nlmVersion = 4;

export const lockStatus = {
  granted: 0,
  denied: 1,
  noLocks: 2,
  blocked: 3,
  gracePeriod: 4,
  deadlock: 5,
  readOnly: 6,
  stale: 7,
  tooBig: 8,
  failed: 9,
} as const;

const mostBytes = 1024;
const netObject = opaque(mostBytes);
/** Of the same call and its answer, or of a call back. */
const cookie = netObject;

/** Who locks what: a process of a client, by the name of its machine, and a range of a file. A length of 0 is all from there on. */
const lock = struct({
  caller: text(mostBytes),
  handle: netObject,
  owner: netObject,
  process: i32,
  offset: bigU64,
  length: bigU64,
});
export type NlmLock = ValueOf<typeof lock>;

const holder = struct({ isExclusive: bool, process: i32, owner: netObject, offset: bigU64, length: bigU64 });
export type NlmHolder = ValueOf<typeof holder>;

export type NlmTested = {
  readonly cookie: Uint8Array;
  readonly status: number;
  readonly holder: NlmHolder | undefined;
};

/** Who has it, where it is denied. */
const tested: XdrType<NlmTested> = {
  read(reader) {
    const of = cookie.read(reader);
    const status = reader.u32();
    return { cookie: of, status, holder: status === lockStatus.denied ? holder.read(reader) : undefined };
  },
  write(writer, { cookie: of, holder: who, status }) {
    cookie.write(writer, of);
    writer.u32(status);
    if (status === lockStatus.denied && who !== undefined) holder.write(writer, who);
  },
};

const result = struct({ cookie, status: u32 });
const testArgs = struct({ cookie, isExclusive: bool, lock });
const lockArgs = struct({ cookie, blocks: bool, isExclusive: bool, lock, isReclaimed: bool, state: i32 });
const cancelArgs = struct({ cookie, blocks: bool, isExclusive: bool, lock });
const unlockArgs = struct({ cookie, lock });
const shareArgs = struct({
  cookie,
  share: struct({ caller: text(mostBytes), handle: netObject, owner: netObject, denied: u32, access: u32 }),
  isReclaimed: bool,
});
const shareResult = struct({ cookie, status: u32, sequence: i32 });
const freeArgs = struct({ name: text(mostBytes), state: i32 });

type NlmProcedure<A, R> = {
  readonly number: number;
  readonly name: string;
  readonly args: XdrType<A>;
  readonly result: XdrType<R>;
};

const procedure = <A, R>(number: number, name: string, args: XdrType<A>, res: XdrType<R>): NlmProcedure<A, R> => ({
  number,
  name,
  args,
  result: res,
});

/** Those that are answered at once; each of the first five has a twin whose answer is a call back. */
export const nlmProcedures = {
  null: procedure(0, 'NULL', xdrVoid, xdrVoid),
  test: procedure(1, 'TEST', testArgs, tested),
  lock: procedure(2, 'LOCK', lockArgs, result),
  cancel: procedure(3, 'CANCEL', cancelArgs, result),
  unlock: procedure(4, 'UNLOCK', unlockArgs, result),
  granted: procedure(5, 'GRANTED', testArgs, result),
  share: procedure(20, 'SHARE', shareArgs, shareResult),
  unshare: procedure(21, 'UNSHARE', shareArgs, shareResult),
  lockUnmonitored: procedure(22, 'NM_LOCK', lockArgs, result),
  freeAll: procedure(23, 'FREE_ALL', freeArgs, xdrVoid),
} as const;

/** From a procedure's number to that of its twin, and to that of the call back that answers the twin. */
export const messageOffset = 5;
export const answerOffset = 10;
/** Of the last twin, and of the last answer. */
export const lastMessage = 10;
export const lastAnswer = 15;
