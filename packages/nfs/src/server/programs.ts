import { AshlarError, isPromise, type Settled, type StreamPeer } from '@ashlar/core';
import { authFlavor, authState, authSys, XdrReader, type AuthSys, type Rejection } from '@ashlar/wire';
import { keptCall } from './kept-call.ts';
import type { Answer } from './rpc-session.ts';
import type { ServedCall } from './served-call.ts';

/** Who calls, as far as that is said. */
export type Caller = { readonly peer: StreamPeer; readonly sys: AuthSys | undefined };

/** What answers a procedure. Throws `invalid` where the arguments are none. */
export type Procedures = (procedure: number, call: ServedCall, caller: Caller) => Settled<Answer> | undefined;

/** A program, by its versions. */
export type Program = ReadonlyMap<number, Procedures>;

const rejected = (rejection: Rejection): Answer => ({ kind: 'rejected', rejection });

export const emptyAnswer: Answer = { kind: 'results', write: () => undefined };

/** The groups of a user, in place of those that a call says; nothing: those of the call are taken. */
export type GroupsOf = (uid: number) => Settled<readonly number[]> | undefined;

/** Finds what answers a call, and rejects those that nothing does (RFC 5531, section 9). */
export class Programs {
  readonly #programs: ReadonlyMap<number, Program>;
  /** The credential that was read last: most calls of a connection have the same. */
  #body = Buffer.alloc(0);
  #sys: AuthSys | undefined;
  readonly #groupsOf: GroupsOf;
  /** The same with groups that were not the call's. */
  #grouped: AuthSys | undefined;
  #groupedOf: AuthSys | undefined;

  constructor(programs: ReadonlyMap<number, Program>, groupsOf: GroupsOf = () => undefined) {
    this.#programs = programs;
    this.#groupsOf = groupsOf;
  }

  serve(call: ServedCall): Settled<Answer> {
    const { credential, flavor, procedure, program, version } = call.head;
    const found = this.#programs.get(program);
    if (found === undefined) return rejected({ kind: 'program-unavailable' });
    const procedures = found.get(version);
    if (procedures === undefined) {
      const versions = [...found.keys()];
      return rejected({ kind: 'program-mismatch', lowest: Math.min(...versions), highest: Math.max(...versions) });
    }
    // Whoever asks only whether somebody is there need not say who it is.
    if (procedure === 0) return emptyAnswer;
    if (flavor !== authFlavor.none && flavor !== authFlavor.sys) {
      return rejected({ kind: 'auth', why: authState.rejectedCredential });
    }
    let sys: AuthSys | undefined;
    try {
      sys = flavor === authFlavor.sys ? this.#sysOf(credential) : undefined;
    } catch {
      return rejected({ kind: 'auth', why: authState.badCredential });
    }
    const gids = sys === undefined ? undefined : this.#groupsOf(sys.uid);
    if (sys === undefined || gids === undefined) return answered(procedures, call, sys);
    if (!isPromise(gids)) return answered(procedures, call, this.#withGroups(sys, gids));
    const [kept, said] = [keptCall(call), sys];
    return gids.then((found) => answered(procedures, kept, { ...said, gids: found }));
  }

  #withGroups(sys: AuthSys, gids: readonly number[]): AuthSys {
    const there = this.#grouped;
    if (there !== undefined && this.#groupedOf === sys && there.gids === gids) return there;
    this.#groupedOf = sys;
    return (this.#grouped = { ...sys, gids });
  }

  #sysOf(body: Buffer): AuthSys {
    if (this.#sys === undefined || !this.#body.equals(body)) {
      this.#sys = authSys.read(new XdrReader(body));
      this.#body = Buffer.from(body);
    }
    return this.#sys;
  }
}

function answered(procedures: Procedures, call: ServedCall, sys: AuthSys | undefined): Settled<Answer> {
  try {
    const answer = procedures(call.head.procedure, call, { peer: call.peer, sys });
    return answer ?? rejected({ kind: 'procedure-unavailable' });
  } catch (error) {
    // Procedures have an answer for everything but arguments that are none.
    if (error instanceof AshlarError && error.kind === 'invalid') return rejected({ kind: 'garbage' });
    throw error;
  }
}
