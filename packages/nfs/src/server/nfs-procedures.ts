import { andThen, isPromise, MiB, type Settled } from '@ashlar/core';
import {
  CallHead,
  headRoom,
  replyHeadBytes,
  fragmentHeadBytes,
  writeAccepted,
  writeRecordHead,
  XdrReader,
  XdrWriter,
  type PooledBuffer,
  type SessionMemory,
} from '@ashlar/wire';
import { nfsProgram, status } from '../codec/constants.ts';
import { procedures, type ArgsOf } from '../codec/procedures.ts';
import { attributes as attributesType, handle as handleType } from '../codec/types.ts';
import { Call, on } from './call.ts';
import { statusOf } from './errors.ts';
import { readFailed } from './file-procedures.ts';
import { nfsHandlers, unrepeatable } from './nfs-program.ts';
import type { Procedures } from './programs.ts';
import type { RepeatedCalls } from './repeated-calls.ts';
import { resultsAnswer, type Answer } from './rpc-session.ts';
import type { ServedCall } from './served-call.ts';

/** NFS version 3, for one connection or many. */
export function nfsProcedures(calls: RepeatedCalls, memory: SessionMemory): Procedures {
  const { service } = calls;
  return (procedure, served, caller) => {
    if (procedure === procedures.read.number) return read(new Call(service, caller.peer, caller.sys), served, memory);
    const handler = nfsHandlers.get(procedure);
    if (handler === undefined) return undefined;
    if (unrepeatable.has(procedure)) return calls.once(handler, procedure, served, caller);
    const call = new Call(service, caller.peer, caller.sys);
    return andThen(handler.serve(call, served.reader), resultsAnswer);
  };
}

type ReadArgs = ArgsOf<typeof procedures.read>;

/** Bytes in front of the data of a READ that went well: the head of the reply, its status, attributes, count, whether it is the end, the length of the data. */
const readHeadBytes = fragmentHeadBytes + replyHeadBytes + 4 + 4 + 84 + 4 + 4 + 4;

/** Each is written and copied before the next. */
const readHeads = new XdrWriter(readHeadBytes);

/** READ: the data is read into where the reply is sent from. */
function read(call: Call, { head, reader }: ServedCall, memory: SessionMemory): Settled<Answer> {
  const { xid } = head;
  const args: ReadArgs = procedures.read.args.read(reader);
  const failed = (error: unknown): Settled<Answer> =>
    andThen(readFailed(call, args.handle), (results) =>
      resultsAnswer((writer) => {
        writer.u32(statusOf(error));
        procedures.read.fail.write(writer, results);
      }),
    );
  let buffer: PooledBuffer | undefined;
  const giveBack = (): void => {
    if (buffer !== undefined) memory.buffers.give(buffer);
    buffer = undefined;
  };
  try {
    const target = call.target(args.handle);
    const count = Math.min(args.count, call.service.mostDataBytes);
    // With room for what pads it.
    const taken = memory.buffers.take(count + 3);
    buffer = taken;
    const found = target.tree.read(target.file, args.offset, taken.payload(count), target.who);
    const answer = andThen(found, ({ attributes, count: length, isEnd }): Answer => {
      const padding = -length & 3;
      taken.payload(length + padding).fill(0, length);
      const start = headRoom - readHeadBytes;
      const writer = readHeads.reset().u32(0);
      writeAccepted(writer, xid);
      writer.u32(status.ok).bool(true);
      attributesType.write(writer, on(target, attributes));
      writer.u32(length).bool(isEnd).u32(length);
      const written = writer.bytes();
      writeRecordHead(written, 0, readHeadBytes - fragmentHeadBytes + length + padding);
      taken.bytes.set(written, start);
      return { kind: 'record', bytes: taken.bytes.subarray(start, headRoom + length + padding), sent: giveBack };
    });
    return isPromise(answer)
      ? answer.catch((error: unknown) => {
          giveBack();
          return failed(error);
        })
      : answer;
  } catch (error) {
    giveBack();
    return failed(error);
  }
}

/** Where the data of a WRITE begins in its call; 0: it is another call. */
export function writeDataOffset(call: Buffer): number {
  const reader = new XdrReader(call);
  const head = new CallHead();
  try {
    const isWrite =
      head.read(reader) === undefined && head.program === nfsProgram && head.procedure === procedures.write.number;
    if (!isWrite) return 0;
    handleType.read(reader);
    // Its offset, count and stability, and the length of the data.
    reader.fixed(20);
    return reader.at;
  } catch {
    return 0;
  }
}

/** Those whose last argument is how much their answer may have at the most. */
const asking: ReadonlySet<number> = new Set(
  [procedures.read, procedures.readDirectory, procedures.readDirectoryPlus].map(({ number }) => number),
);

/** How many bytes of data the answer to a call may have. */
export function mostAnswerBytes({ procedure, program }: CallHead, call: Buffer): number {
  if (program !== nfsProgram || !asking.has(procedure)) return 0;
  return Math.min(call.readUInt32BE(call.length - 4), MiB);
}
