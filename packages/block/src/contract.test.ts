import test from 'ava';
import { MiB, TiB, type BlockDevice } from '@ashlar/core';
import { blockDeviceContract, PoorDevice, SeededRandom, systemTime, type DeviceSubject } from '@ashlar/testing';
import { delayDevice } from './delay.ts';
import { emulate } from './emulate.ts';
import { faultDevice } from './fault.ts';
import { logDevice } from './log.ts';
import { memoryDevice } from './memory-device.ts';
import { sliceDevice } from './slice.ts';
import { deviceStats, statsDevice } from './stats.ts';
import { throttleDevice } from './throttle.ts';

function subject(create: (sizeBytes: number) => BlockDevice, sparseSizeBytes?: number): DeviceSubject {
  const base = { create: (sizeBytes: number) => ({ device: create(sizeBytes) }) };
  return sparseSizeBytes === undefined ? base : { ...base, sparseSizeBytes };
}

const poor = (sizeBytes: number): BlockDevice => new PoorDevice(memoryDevice(sizeBytes), 512);

blockDeviceContract(test, 'memory', subject(memoryDevice, TiB));

blockDeviceContract(
  test,
  'memory of 512-byte blocks',
  subject((sizeBytes) => memoryDevice(sizeBytes, { minimumBlockBytes: 512 })),
);

blockDeviceContract(test, 'a poor device', subject(poor));

blockDeviceContract(
  test,
  'emulation over a poor device',
  subject((sizeBytes) => emulate(poor(sizeBytes))),
);

blockDeviceContract(test, 'emulation of small blocks over a poor device', {
  ...subject((sizeBytes) => emulate(poor(sizeBytes), { minimumBlockBytes: 1 })),
  sizeUnitBytes: 512,
});

blockDeviceContract(
  test,
  'emulation over memory',
  subject((sizeBytes) => emulate(memoryDevice(sizeBytes)), TiB),
);

blockDeviceContract(
  test,
  'slice',
  subject((sizeBytes) => sliceDevice(memoryDevice(sizeBytes + 3 * MiB), MiB + 512, sizeBytes), TiB),
);

blockDeviceContract(
  test,
  'stats over memory',
  subject((sizeBytes) => statsDevice(memoryDevice(sizeBytes), systemTime, deviceStats())),
);

blockDeviceContract(
  test,
  'stats over emulation over a poor device',
  subject((sizeBytes) => statsDevice(emulate(poor(sizeBytes)), systemTime, deviceStats())),
);

blockDeviceContract(
  test,
  'log',
  subject((sizeBytes) => logDevice(memoryDevice(sizeBytes), { clock: systemTime, sink: () => undefined })),
);

blockDeviceContract(
  test,
  'fault without a fault',
  subject((sizeBytes) => faultDevice(memoryDevice(sizeBytes), new SeededRandom(1))),
);

blockDeviceContract(
  test,
  'delay',
  subject((sizeBytes) =>
    delayDevice(memoryDevice(sizeBytes), { scheduler: systemTime, delayMs: { write: 1, read: 0, flush: 1 } }),
  ),
);

blockDeviceContract(
  test,
  'throttle',
  subject((sizeBytes) =>
    throttleDevice(memoryDevice(sizeBytes), {
      clock: systemTime,
      scheduler: systemTime,
      limits: { total: { operationsPerSecond: 20_000, burstOperations: 20 }, write: { bytesPerSecond: 1e9 } },
    }),
  ),
);
