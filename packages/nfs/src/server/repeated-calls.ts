import { andThen, isPromise, type Settled, type StreamPeer } from '@ashlar/core';
import { XdrReader, XdrWriter, type AuthSys } from '@ashlar/wire';
import { handle as handleType } from '../codec/types.ts';
import { Call, type NfsService } from './call.ts';
import { treeNumberOf } from './exports.ts';
import type { Handler, WriteResults } from './handler.ts';
import type { Caller } from './programs.ts';
import { Receipts, type ReceiptRing } from './receipts.ts';
import { checksumOf, ReplyCache, type CallKey } from './reply-cache.ts';
import { resultsAnswer, type Answer } from './rpc-session.ts';
import type { ServedCall } from './served-call.ts';

/** Calls that are not done twice: one that comes again gets its first answer, over another connection and behind a restart too. */
export class RepeatedCalls {
  readonly service: NfsService;
  readonly #replies = new ReplyCache();
  readonly #receipts = new Receipts();

  constructor(service: NfsService) {
    this.service = service;
  }

  /** `procedure`: a number that no other procedure of any program has here, as `CallKey` has it. */
  once(
    handler: Handler,
    procedure: number,
    { head, reader, record }: ServedCall,
    { peer, sys }: Caller,
  ): Settled<Answer> {
    const { service } = this;
    const replies = this.#replies;
    const args = record.subarray(record.length - reader.rest);
    // A client that comes again has another port.
    const key: CallKey = { client: peer.address, xid: head.xid, procedure, checksum: checksumOf(args) };
    const earlier = replies.find(key);
    if (earlier.kind === 'running') {
      // The connection that it came by first may be gone.
      return earlier.results.then((found) =>
        found === undefined ? { kind: 'none' } : resultsAnswer((writer) => writer.fixed(found)),
      );
    }
    if (earlier.kind === 'answered') return resultsAnswer((writer) => writer.fixed(earlier.results));
    const now = Math.floor(service.now() / 1000);
    // What the call reads its arguments from is another call's as soon as this one waits.
    const own = new XdrReader(args);
    return andThen(ringOf(service, this.#receipts, args, peer, sys), (ring) => {
      const kept = ring?.find(key, now);
      if (kept !== undefined) {
        replies.answered(earlier.kept, kept);
        return resultsAnswer((writer) => writer.fixed(kept));
      }
      const call = new Call(service, peer, sys, ring && ((results) => ring.receipt(key, results, now)));
      return andThen(
        served(handler, call, own, () => replies.forget(key)),
        (write) => {
          const results = call.kept ?? writtenBy(write);
          replies.answered(earlier.kept, results);
          return resultsAnswer((whole) => whole.fixed(results));
        },
      );
    });
  }
}

/** `failed` is called where there are no results at all. */
function served(handler: Handler, call: Call, reader: XdrReader, failed: () => void): Settled<WriteResults> {
  try {
    const results = handler.serve(call, reader);
    if (isPromise(results)) results.catch(failed);
    return results;
  } catch (error) {
    failed();
    throw error;
  }
}

/** Each is copied before the next is written. */
const written = new XdrWriter();

function writtenBy(write: WriteResults): Uint8Array {
  write(written.reset());
  return Buffer.from(written.bytes());
}

/** What the tree that a call changes keeps of its client: it is that of the handle that the call begins with. */
function ringOf(
  service: NfsService,
  receipts: Receipts,
  args: Uint8Array,
  peer: StreamPeer,
  sys: AuthSys | undefined,
): Settled<ReceiptRing | undefined> {
  try {
    const { exported, tree } = new Call(service, peer, sys).target(handleType.read(new XdrReader(args)));
    return receipts.ringOf(treeNumberOf(exported), tree, peer.address);
  } catch {
    // The call says what is wrong with its handle.
    return undefined;
  }
}
