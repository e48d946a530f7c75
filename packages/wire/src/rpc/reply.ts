import { AshlarError } from '@ashlar/core';
import type { XdrReader } from '../xdr/xdr-reader.ts';
import type { XdrWriter } from '../xdr/xdr-writer.ts';
import { acceptState, authFlavor, denyState, messageType, mostAuthBytes, replyState } from './constants.ts';

/** Why a call has no results (RFC 5531, section 9, rejected_reply and accept_stat). Versions are those that there are. */
export type Rejection =
  | { readonly kind: 'rpc-mismatch'; readonly lowest: number; readonly highest: number }
  /** `why`: of `authState`. */
  | { readonly kind: 'auth'; readonly why: number }
  | { readonly kind: 'program-unavailable' }
  | { readonly kind: 'program-mismatch'; readonly lowest: number; readonly highest: number }
  | { readonly kind: 'procedure-unavailable' }
  | { readonly kind: 'garbage' }
  | { readonly kind: 'system-error' };

/** Bytes of the head of a reply with results. */
export const replyHeadBytes = 24;

/** Writes the head of a reply with results, which come behind it. */
export function writeAccepted(writer: XdrWriter, xid: number): void {
  writer.u32(xid).u32(messageType.reply).u32(replyState.accepted).u32(authFlavor.none).u32(0).u32(acceptState.success);
}

/** Writes a whole reply without results. */
export function writeRejected(writer: XdrWriter, xid: number, rejection: Rejection): void {
  writer.u32(xid).u32(messageType.reply);
  switch (rejection.kind) {
    case 'rpc-mismatch':
      writer.u32(replyState.denied).u32(denyState.rpcMismatch).u32(rejection.lowest).u32(rejection.highest);
      return;
    case 'auth':
      writer.u32(replyState.denied).u32(denyState.authError).u32(rejection.why);
      return;
    case 'program-mismatch':
      writeState(writer, acceptState.programMismatch).u32(rejection.lowest).u32(rejection.highest);
      return;
    case 'program-unavailable':
      writeState(writer, acceptState.programUnavailable);
      return;
    case 'procedure-unavailable':
      writeState(writer, acceptState.procedureUnavailable);
      return;
    case 'garbage':
      writeState(writer, acceptState.garbage);
      return;
    case 'system-error':
      writeState(writer, acceptState.systemError);
      return;
  }
}

const writeState = (writer: XdrWriter, state: number): XdrWriter =>
  writer.u32(replyState.accepted).u32(authFlavor.none).u32(0).u32(state);

/** Reads a reply up to its results. Gives its xid, and why there are none. Throws `invalid` where it is no reply. */
export function readReply(reader: XdrReader): { readonly xid: number; readonly rejection: Rejection | undefined } {
  const xid = reader.u32();
  if (reader.u32() !== messageType.reply) throw new AshlarError('invalid', 'a message to a client is no reply');
  const state = reader.u32();
  if (state === replyState.denied) return { xid, rejection: deniedOf(reader) };
  if (state !== replyState.accepted) throw new AshlarError('invalid', `a reply is of the unknown kind ${state}`);
  reader.u32();
  reader.opaque(mostAuthBytes);
  return { xid, rejection: rejectionOf(reader) };
}

function deniedOf(reader: XdrReader): Rejection {
  const state = reader.u32();
  if (state === denyState.rpcMismatch) return { kind: 'rpc-mismatch', lowest: reader.u32(), highest: reader.u32() };
  if (state === denyState.authError) return { kind: 'auth', why: reader.u32() };
  throw new AshlarError('invalid', `a call is denied for the unknown reason ${state}`);
}

function rejectionOf(reader: XdrReader): Rejection | undefined {
  const state = reader.u32();
  switch (state) {
    case acceptState.success:
      return undefined;
    case acceptState.programUnavailable:
      return { kind: 'program-unavailable' };
    case acceptState.programMismatch:
      return { kind: 'program-mismatch', lowest: reader.u32(), highest: reader.u32() };
    case acceptState.procedureUnavailable:
      return { kind: 'procedure-unavailable' };
    case acceptState.garbage:
      return { kind: 'garbage' };
    case acceptState.systemError:
      return { kind: 'system-error' };
    default:
      throw new AshlarError('invalid', `a call is accepted with the unknown state ${state}`);
  }
}
