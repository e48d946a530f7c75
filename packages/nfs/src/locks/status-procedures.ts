import { machineName, machineState, statusFails, statusProcedure, statusResult } from '../codec/status-monitor.ts';
import { emptyAnswer, type Procedures } from '../server/programs.ts';
import type { LockService } from './lock-service.ts';

/** The status monitor, as far as clients of the lock manager need one here: they say that they were restarted. `state`: of this machine. */
export function statusProcedures(locks: LockService, state: () => number): Procedures {
  return (procedure, { reader }, { peer }) => {
    switch (procedure) {
      case statusProcedure.notify:
        machineState.read(reader);
        return locks.restarted(peer).then(() => emptyAnswer);
      case statusProcedure.stat:
      case statusProcedure.monitor:
        // Only this server's own lock manager has anybody monitored.
        machineName.read(reader);
        return {
          kind: 'results',
          write: (writer) => statusResult.write(writer, { result: statusFails, state: state() }),
        };
      default:
        return undefined;
    }
  };
}
