import { performance, type EventLoopUtilization } from 'node:perf_hooks';
import { parentPort } from 'node:worker_threads';
import { assert, FairQueue, systemStore } from '@ashlar/core';
import { createRealHost, EventLoop, giveMemoryBack, groupsOfUser } from '@ashlar/host';
import { sessionMemory } from '@ashlar/wire';
import { openPool } from '@ashlar/store';
import { systemResolver } from './client-names.ts';
import { Connections } from './connections.ts';
import type { ControlFunctions } from './control-functions.ts';
import { DataPlane, functionsOf, type DataPlaneFunctions } from './data-plane.ts';
import { Devices } from './devices.ts';
import { Directories } from './directories.ts';
import { IdleMemory } from './idle-memory.ts';
import type { WorkerSettings } from './messages.ts';
import { Calls } from './rpc.ts';
import { nfsHandleKey } from './nfs-handle-key.ts';
import { NfsConnections } from './nfs-connections.ts';
import { NfsLockRecords } from './nfs-lock-records.ts';
import { Stores } from './stores.ts';
import { Trees } from './trees.ts';

assert(parentPort !== null, 'the data plane runs in a worker');
const port = parentPort;

/** Opens the pool, and with it everything that the control plane may ask for. */
async function open({ poolPath, store, device, capacityBytes, bootId }: WorkerSettings): Promise<DataPlaneFunctions> {
  const residentBytes = process.memoryUsage.rss;
  const floorBytes = residentBytes();
  const machine = createRealHost();
  const host = bootId === undefined ? machine : { ...machine, bootId: () => bootId };
  const fair = new FairQueue();
  const pool = await openPool(host, poolPath, {
    chunkSizeBytes: store.chunkSize,
    journalBytes: store.journalSize,
    overlayBytes: store.overlaySize,
    cacheBytes: store.cacheSize,
    mapCacheBytes: store.mapCacheSize,
    flow: fair.flow(),
    device,
    capacityBytes,
  });
  const records = await pool.openStore(systemStore);
  const stores = new Stores(pool);
  const devices = new Devices(stores, host, fair);
  const memory = sessionMemory((length) => host.alignedBuffer(length));
  const loop = new EventLoop({ activity: () => memory.inFlight });
  // What arrived together is one append, made before the replies of the round leave.
  loop.onRound(() => pool.endRound());
  let before: EventLoopUtilization | undefined;
  const utilization = (): number => {
    const now = performance.eventLoopUtilization();
    const since = performance.eventLoopUtilization(now, before);
    before = now;
    return since.utilization;
  };
  const giveBack = async (): Promise<void> => {
    await pool.giveBack();
    memory.buffers.giveBack();
    giveMemoryBack();
  };
  const { scheduler } = host;
  new IdleMemory({ scheduler, utilization, residentBytes, floorBytes, giveBack }).watch();
  const { remote: control } = calls;
  const connections = new Connections({ loop, devices, control, memory, now: () => host.clock.wallMs() });
  const trees = new Trees(pool, stores, host, new Directories(records, host));
  const handleKey = await nfsHandleKey(records, host.random);
  const { clock, random } = host;
  const lockRecords = new NfsLockRecords(records);
  const seams = { clock, scheduler, random, resolver: systemResolver, groupsOf: groupsOfUser };
  const nfs = new NfsConnections({ loop, trees, control, memory, fair, handleKey, lockRecords, ...seams });
  return functionsOf(new DataPlane({ pool, records, stores, devices, connections, trees, nfs }));
}

const functions: { [name: string]: (...parameters: never[]) => unknown } = {
  open: async (settings: WorkerSettings) => {
    Object.assign(functions, await open(settings));
  },
  leave: () => port.close(),
};

const calls = new Calls<ControlFunctions>(port, functions);
