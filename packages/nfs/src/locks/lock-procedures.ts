import { isPromise, type Settled, type StreamPeer } from '@ashlar/core';
import type { XdrReader, XdrWriter } from '@ashlar/wire';
import { answerOffset, lastAnswer, lastMessage, lockStatus, messageOffset, nlmProcedures } from '../codec/nlm.ts';
import { emptyAnswer, type Procedures } from '../server/programs.ts';
import type { Answer } from '../server/rpc-session.ts';
import type { LockService } from './lock-service.ts';

/** Calls a procedure of a client's lock manager that is answered by nothing. Never rejects. */
export type CallBack = (peer: StreamPeer, procedure: number, write: (writer: XdrWriter) => void) => Promise<void>;

type WriteResult = (writer: XdrWriter) => void;

/** The lock manager, version 4: each procedure, and its twin whose answer is a call back to the client's own lock manager. */
export function lockProcedures(locks: LockService, callBack: CallBack): Procedures {
  return (procedure, { reader }, { peer }) => {
    const isMessage = procedure > messageOffset && procedure <= lastMessage;
    if (isMessage) {
      const number = procedure - messageOffset;
      const result = answered(locks, number, reader, peer);
      if (result === undefined) return undefined;
      void Promise.resolve(result).then((write) => callBack(peer, number + answerOffset, write));
      return emptyAnswer;
    }
    // What clients answer to our own calls goes where those were made.
    if (procedure > lastMessage && procedure <= lastAnswer) return emptyAnswer;
    const result = answered(locks, procedure, reader, peer);
    if (result === undefined) return undefined;
    return isPromise(result) ? result.then(resultsOf) : resultsOf(result);
  };
}

const resultsOf = (write: WriteResult): Answer => ({ kind: 'results', write });

function answered(
  locks: LockService,
  procedure: number,
  reader: XdrReader,
  peer: StreamPeer,
): Settled<WriteResult> | undefined {
  switch (procedure) {
    case nlmProcedures.test.number: {
      const { cookie, isExclusive, lock } = nlmProcedures.test.args.read(reader);
      const own = Uint8Array.from(cookie);
      const found = locks.test(peer, lock, isExclusive);
      return (writer) => nlmProcedures.test.result.write(writer, { cookie: own, ...found });
    }
    case nlmProcedures.lock.number:
    case nlmProcedures.lockUnmonitored.number: {
      const { cookie, lock, ...how } = nlmProcedures.lock.args.read(reader);
      const own = Uint8Array.from(cookie);
      const isMonitored = procedure === nlmProcedures.lock.number;
      return locks.lock(peer, lock, { ...how, isMonitored }).then((status) => resultOf(own, status));
    }
    case nlmProcedures.cancel.number: {
      const { cookie, isExclusive, lock } = nlmProcedures.cancel.args.read(reader);
      return resultOf(Uint8Array.from(cookie), locks.cancel(peer, lock, isExclusive));
    }
    case nlmProcedures.unlock.number: {
      const { cookie, lock } = nlmProcedures.unlock.args.read(reader);
      return resultOf(Uint8Array.from(cookie), locks.unlock(peer, lock));
    }
    case nlmProcedures.granted.number: {
      // This machine waits for no locks.
      const { cookie } = nlmProcedures.granted.args.read(reader);
      return resultOf(Uint8Array.from(cookie), lockStatus.denied);
    }
    case nlmProcedures.share.number:
    case nlmProcedures.unshare.number: {
      const { cookie, isReclaimed, share } = nlmProcedures.share.args.read(reader);
      const own = Uint8Array.from(cookie);
      const status = locks.share(peer, share, procedure === nlmProcedures.share.number, isReclaimed);
      return (writer) => nlmProcedures.share.result.write(writer, { cookie: own, status, sequence: 0 });
    }
    case nlmProcedures.freeAll.number:
      locks.freeAll(peer, nlmProcedures.freeAll.args.read(reader).name);
      return () => undefined;
    default:
      return undefined;
  }
}

const resultOf =
  (cookie: Uint8Array, status: number): WriteResult =>
  (writer) =>
    nlmProcedures.unlock.result.write(writer, { cookie, status });
