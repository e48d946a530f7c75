import type { AuthSys } from '@ashlar/wire';
import { connectRpc, type RpcPlace } from '../client/connect.ts';
import { NfsClient, type Outcome } from '../client/nfs-client.ts';
import { status } from '../codec/constants.ts';
import type { Procedure } from '../codec/procedures.ts';
import { Failed } from './outcome.ts';

const names = new Map<number, string>(
  Object.entries(status).map(([name, number]) => [
    number,
    name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
  ]),
);

export const statusName = (number: number): string => names.get(number) ?? `status ${number}`;

/** One connection of one caller. */
export class Session {
  readonly nfs: NfsClient;

  constructor(nfs: NfsClient) {
    this.nfs = nfs;
  }

  static async open(place: RpcPlace, sys: AuthSys | undefined, timeoutMs: number): Promise<Session> {
    try {
      const rpc = await connectRpc(place, { sys, timeoutMs });
      return new Session(new NfsClient(rpc));
    } catch (error) {
      throw new Failed((error as Error).message);
    }
  }

  call<A, S, F>(procedure: Procedure<A, S, F>, args: A, xid?: number): Promise<Outcome<S, F>> {
    return this.nfs.call(procedure, args, xid);
  }

  /** What it gives; fails where it does not go well. */
  async ok<A, S, F>(procedure: Procedure<A, S, F>, args: A): Promise<S> {
    const outcome = await this.nfs.call(procedure, args);
    if (outcome.ok !== undefined || outcome.status === status.ok) return outcome.ok as S;
    throw new Failed(`${procedure.name} failed with ${statusName(outcome.status)}`);
  }

  /** What it gives where it fails with one of these; fails where it does not. */
  async fails<A, S, F>(procedure: Procedure<A, S, F>, args: A, ...expected: readonly number[]): Promise<F> {
    const outcome = await this.nfs.call(procedure, args);
    if (outcome.status !== status.ok && expected.includes(outcome.status)) return outcome.fail as F;
    const wanted = expected.map(statusName).join(' or ');
    throw new Failed(
      `${procedure.name} ${outcome.status === status.ok ? 'went well' : `failed with ${statusName(outcome.status)}`} in place of ${wanted}`,
    );
  }

  close(): void {
    this.nfs.close();
  }
}
