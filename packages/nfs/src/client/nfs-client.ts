import { mountProgram, nfsProgram, nfsVersion, status } from '../codec/constants.ts';
import { mount } from '../codec/mount.ts';
import { nfsAclProgram, nfsAclVersion } from '../codec/nfs-acl.ts';
import type { Procedure } from '../codec/procedures.ts';
import type { RpcClient } from './rpc-client.ts';

/** What a procedure gave: its results where it went well, and else its status with what comes beside it. */
export type Outcome<S, F> =
  | { readonly status: 0; readonly ok: S; readonly fail: undefined }
  | { readonly status: number; readonly ok: undefined; readonly fail: F };

/** NFS version 3 and MOUNT over one connection to a server that has both on one port. */
export class NfsClient {
  readonly rpc: RpcClient;

  constructor(rpc: RpcClient) {
    this.rpc = rpc;
  }

  call<A, S, F>(procedure: Procedure<A, S, F>, value: A, xid?: number): Promise<Outcome<S, F>> {
    return this.#call(nfsProgram, nfsVersion, procedure, value, xid);
  }

  /** The same of NFSACL. Rejects with `RejectedCall` where the server has none. */
  callAcl<A, S, F>(procedure: Procedure<A, S, F>, value: A, xid?: number): Promise<Outcome<S, F>> {
    return this.#call(nfsAclProgram, nfsAclVersion, procedure, value, xid);
  }

  /** The handle of what is mounted from a path. Gives the status where there is none. */
  async mount(path: string): Promise<{ readonly status: number; readonly handle: Uint8Array }> {
    const args = { path: Buffer.from(path) };
    const reader = await this.rpc.call(mountProgram, 3, mount.number, (writer) => mount.args.write(writer, args));
    const found = reader.u32();
    return { status: found, handle: found === status.ok ? mount.ok3.read(reader).handle : new Uint8Array(0) };
  }

  close(): void {
    this.rpc.close();
  }

  async #call<A, S, F>(
    program: number,
    version: number,
    { args, fail, number, ok }: Procedure<A, S, F>,
    value: A,
    xid?: number,
  ): Promise<Outcome<S, F>> {
    const reader = await this.rpc.call(program, version, number, (writer) => args.write(writer, value), xid);
    const found = reader.u32();
    if (found === status.ok) return { status: 0, ok: ok.read(reader), fail: undefined };
    return { status: found, ok: undefined, fail: fail.read(reader) };
  }
}
