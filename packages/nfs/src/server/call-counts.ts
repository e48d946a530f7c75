import { mountProgram, nfsProgram } from '../codec/constants.ts';
import { nfsAclProcedures, nfsAclProgram } from '../codec/nfs-acl.ts';
import { nlmProgram } from '../codec/nlm.ts';
import { portmapProgram } from '../codec/portmap.ts';
import { procedures } from '../codec/procedures.ts';

/** Procedures of NFS by their numbers, other programs as a whole, and those of NFSACL but for its NULL, which is as that of NFS. */
const nfsNames = Object.values(procedures).reduce<string[]>(
  (names, { name, number }) => {
    names[number] = name;
    return names;
  },
  ['NULL'],
);
const others = ['MOUNT', 'NLM', 'PORTMAP', 'other'] as const;
const aclNames = Object.values(nfsAclProcedures).map(({ name }) => name);
const names: readonly string[] = [...nfsNames, ...others, ...aclNames.slice(1)];

/** Calls of one kind: how many, and how long they took. */
export type CallCount = { readonly calls: number; readonly seconds: number; readonly mostSeconds: number };

/** By the name of the procedure; only those that were called. */
export type CallCountsView = Readonly<Record<string, CallCount>>;

/** Numbers of one kind of call: how many, milliseconds in all, most milliseconds. */
const each = 3;

/** Counts calls and how long they took. */
export class CallCounts {
  readonly #counts = new Float64Array(names.length * each);

  add(program: number, procedure: number, ms: number): void {
    const at = kindOf(program, procedure) * each;
    const counts = this.#counts;
    counts[at] = counts[at]! + 1;
    counts[at + 1] = counts[at + 1]! + ms;
    if (ms > counts[at + 2]!) counts[at + 2] = ms;
  }

  view(): CallCountsView {
    const found: Record<string, CallCount> = {};
    for (const [kind, name] of names.entries()) {
      const [calls = 0, ms = 0, mostMs = 0] = this.#counts.subarray(kind * each, kind * each + each);
      if (calls > 0) found[name] = { calls, seconds: ms / 1000, mostSeconds: mostMs / 1000 };
    }
    return found;
  }
}

function kindOf(program: number, procedure: number): number {
  if (program === nfsProgram && procedure < nfsNames.length) return procedure;
  if (program === nfsAclProgram && procedure < aclNames.length) {
    return procedure === 0 ? 0 : nfsNames.length + others.length + procedure - 1;
  }
  if (program === mountProgram) return nfsNames.length;
  if (program === nlmProgram) return nfsNames.length + 1;
  return program === portmapProgram ? nfsNames.length + 2 : nfsNames.length + 3;
}

/** The name of what is called, for people. */
export const callName = (program: number, procedure: number): string => names[kindOf(program, procedure)]!;
