import type { SessionMemory } from '@ashlar/wire';
import { mountProgram as mountNumber, nfsProgram, nfsVersion } from '../codec/constants.ts';
import { nfsAclProgram, nfsAclVersion } from '../codec/nfs-acl.ts';
import { nlmProgram, nlmVersion } from '../codec/nlm.ts';
import { portmapProgram } from '../codec/portmap.ts';
import { statusProgram, statusVersion } from '../codec/status-monitor.ts';
import { callBack } from '../locks/lock-peers.ts';
import { lockProcedures } from '../locks/lock-procedures.ts';
import type { LockService } from '../locks/lock-service.ts';
import { statusProcedures } from '../locks/status-procedures.ts';
import { aclProcedures } from './acl-procedures.ts';
import type { NfsService } from './call.ts';
import { mountProgram } from './mount-procedures.ts';
import { Mounts } from './mounts.ts';
import { nfsProcedures } from './nfs-procedures.ts';
import { portmapProcedures, rpcbindProcedures, type Listening } from './portmap-procedures.ts';
import type { Program } from './programs.ts';
import { RepeatedCalls } from './repeated-calls.ts';

export type NfsProgramsParts = {
  readonly service: NfsService;
  readonly memory: SessionMemory;
  /** Without it nobody can lock anything. */
  readonly locks?: LockService;
  /** Of this machine, as the status monitor counts it: odd, another one after each start. */
  readonly state?: () => number;
  readonly listening: () => readonly Listening[];
};

/** Every program that is served on one port, by its number. */
export function nfsPrograms({
  listening,
  locks,
  memory,
  service,
  state = () => 1,
}: NfsProgramsParts): ReadonlyMap<number, Program> {
  const mounts = new Mounts();
  const calls = new RepeatedCalls(service);
  const programs = new Map<number, Program>([
    [nfsProgram, new Map([[nfsVersion, nfsProcedures(calls, memory)]])],
    [nfsAclProgram, new Map([[nfsAclVersion, aclProcedures(calls)]])],
    [
      mountNumber,
      new Map([
        [1, mountProgram(service, mounts, 1)],
        [3, mountProgram(service, mounts, 3)],
      ]),
    ],
    ...portmapPrograms(listening, service.now),
  ]);
  if (locks !== undefined) {
    programs.set(nlmProgram, new Map([[nlmVersion, lockProcedures(locks, callBack)]]));
    programs.set(statusProgram, new Map([[statusVersion, statusProcedures(locks, state)]]));
  }
  return programs;
}

/** The port mapper, and rpcbind. */
function portmapPrograms(listening: () => readonly Listening[], now: () => number): ReadonlyMap<number, Program> {
  const rpcbind = rpcbindProcedures(listening, now);
  return new Map([
    [
      portmapProgram,
      new Map([
        [2, portmapProcedures(listening)],
        [3, rpcbind],
        [4, rpcbind],
      ]),
    ],
  ]);
}

/** What listens at `port`, for the port mapper; `udp`: what is asked by datagrams as well. */
export function listeningAt(port: number, portmapPort: number | undefined, udp: boolean): Listening[] {
  const all: Listening[] = [];
  const add = (program: number, version: number, at: number, isBoth: boolean): void => {
    all.push({ program, version, protocol: 'tcp', port: at });
    if (isBoth && udp) all.push({ program, version, protocol: 'udp', port: at });
  };
  for (const version of [2, 3, 4]) add(portmapProgram, version, portmapPort ?? port, true);
  add(nfsProgram, nfsVersion, port, false);
  add(nfsAclProgram, nfsAclVersion, port, false);
  for (const version of [1, 3]) add(mountNumber, version, port, true);
  add(nlmProgram, nlmVersion, port, true);
  add(statusProgram, statusVersion, port, true);
  return all;
}
