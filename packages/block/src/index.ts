export { delayDevice, type DelayOptions } from './delay.ts';
export { emulate } from './emulate.ts';
export { faultDevice, type Fault, type FaultDevice } from './fault.ts';
export { bucketCount, bucketUpperMicros, LatencyHistogram } from './histogram.ts';
export { InFlight } from './in-flight.ts';
export { logDevice, type OperationLine } from './log.ts';
export { memoryDevice } from './memory-device.ts';
export { createObjectDevice } from './object-device.ts';
export { operationNames, type OperationName } from './operation.ts';
export { RangeLock } from './range-lock.ts';
export { readOnlyDevice } from './readonly.ts';
export { sliceDevice } from './slice.ts';
export { deviceStats, deviceStatsBytes, statsDevice, type DeviceStats, type OperationStats } from './stats.ts';
export { throttleDevice, type ThrottleDevice, type ThrottleLimit, type ThrottleLimits } from './throttle.ts';
export {
  checkEqual,
  checkLimit,
  checkRange,
  checkSize,
  closedError,
  readOnlyError,
  unsupportedError,
} from './check.ts';
