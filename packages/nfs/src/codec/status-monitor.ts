import { i32, struct, text, u32 } from '@ashlar/wire';

/** The network status monitor, version 1 (X/Open XNFS, chapter 11): machines tell each other that they were restarted. */
export const statusProgram = 100_024;
export const statusVersion = 1;

const mostName = 1024;

export const statusProcedure = {
  stat: 1,
  monitor: 2,
  unmonitor: 3,
  unmonitorAll: 4,
  simulateCrash: 5,
  notify: 6,
} as const;

/** Whether a machine can be monitored, and the state of this one: odd while it is up, another one after each start. */
export const statusResult = struct({ result: u32, state: i32 });
export const statusFails = 1;
export const machineName = struct({ name: text(mostName) });
/** A machine was restarted, and is in that state now. */
export const machineState = struct({ name: text(mostName), state: i32 });
