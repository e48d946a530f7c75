import { AshlarError } from '@ashlar/core';
import type { XdrReader } from '../xdr/xdr-reader.ts';
import type { XdrWriter } from '../xdr/xdr-writer.ts';
import { authFlavor, authState, messageType, mostAuthBytes, rpcVersion } from './constants.ts';
import type { Rejection } from './reply.ts';

const nothing: Buffer = Buffer.alloc(0);

/** The head of a call (RFC 5531, section 9). One is used again for call after call; the arguments are behind it. */
export class CallHead {
  xid = 0;
  program = 0;
  version = 0;
  procedure = 0;
  /** How the caller says who it is, and what it says: a view of the message. */
  flavor: number = authFlavor.none;
  credential: Buffer = nothing;

  /**
   * Reads it, up to the arguments. Gives how the call is to be rejected, nothing where it is not. Throws `invalid` where it is no call, or none that
   * could be answered.
   */
  read(reader: XdrReader): Rejection | undefined {
    this.xid = reader.u32();
    if (reader.u32() !== messageType.call) throw new AshlarError('invalid', 'a message to a server is no call');
    if (reader.u32() !== rpcVersion) return { kind: 'rpc-mismatch', lowest: rpcVersion, highest: rpcVersion };
    this.program = reader.u32();
    this.version = reader.u32();
    this.procedure = reader.u32();
    this.flavor = reader.u32();
    const credentialBytes = reader.u32();
    if (credentialBytes > mostAuthBytes) return { kind: 'auth', why: authState.badCredential };
    this.credential = reader.fixed(credentialBytes);
    // What a verifier of the flavors that are known here says is nothing: any may be sent.
    reader.u32();
    const verifierBytes = reader.u32();
    if (verifierBytes > mostAuthBytes) return { kind: 'auth', why: authState.badVerifier };
    reader.fixed(verifierBytes);
    return undefined;
  }
}

export type Call = {
  readonly xid: number;
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  /** The body of an AUTH_SYS credential; nothing: AUTH_NONE. */
  readonly sys?: Uint8Array | undefined;
};

/** Writes the head of a call; its arguments come behind it. */
export function writeCall(writer: XdrWriter, { procedure, program, sys, version, xid }: Call): void {
  writer.u32(xid).u32(messageType.call).u32(rpcVersion).u32(program).u32(version).u32(procedure);
  writer.u32(sys === undefined ? authFlavor.none : authFlavor.sys).opaque(sys ?? nothing);
  writer.u32(authFlavor.none).u32(0);
}
