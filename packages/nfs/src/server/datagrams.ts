import { AshlarError, AssertionError, type Settled, type StreamPeer } from '@ashlar/core';
import { CallHead, writeAccepted, writeRejected, XdrReader, XdrWriter, type Rejection } from '@ashlar/wire';
import type { Programs } from './programs.ts';
import type { Answer } from './rpc-session.ts';

/** What is more does not fit a datagram. */
const mostReplyBytes = 60_000;

/** What a call that came as a datagram is answered with; nothing where it is none, or nobody is to be answered. `bytes` are the call's own. */
export function answerDatagram(programs: Programs, bytes: Buffer, peer: StreamPeer): Settled<Buffer | undefined> {
  const head = new CallHead();
  const reader = new XdrReader(bytes);
  let rejection: Rejection | undefined;
  try {
    rejection = head.read(reader);
  } catch (error) {
    // Whoever sent it may send anything.
    if (error instanceof AshlarError) return undefined;
    throw error;
  }
  const { xid } = head;
  if (rejection !== undefined) return replyOf(xid, { kind: 'rejected', rejection });
  try {
    const answer = programs.serve({ head, reader, peer, record: bytes });
    return answer instanceof Promise ? answer.then((found) => replyOf(xid, found), failed(xid)) : replyOf(xid, answer);
  } catch (error) {
    return failed(xid)(error);
  }
}

const failed =
  (xid: number) =>
  (error: unknown): Buffer | undefined => {
    if (error instanceof AssertionError) throw error;
    return replyOf(xid, { kind: 'rejected', rejection: { kind: 'system-error' } });
  };

function replyOf(xid: number, answer: Answer): Buffer | undefined {
  const writer = new XdrWriter();
  if (answer.kind === 'rejected') writeRejected(writer, xid, answer.rejection);
  else if (answer.kind === 'results') {
    writeAccepted(writer, xid);
    answer.write(writer);
  } else {
    // READ's own reply is a record: nothing that is served by datagrams has one.
    if (answer.kind === 'record') answer.sent();
    return undefined;
  }
  const reply = writer.bytes();
  return reply.length > mostReplyBytes ? undefined : reply;
}
