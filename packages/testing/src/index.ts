export { testAsRoot, testWithTools } from './tools.ts';
export { blockDeviceContract } from './block-device-contract.ts';
export type { DeviceFixture, DeviceSubject } from './block-device/subject.ts';
export { failsWith, sameBytes } from './expect.ts';
export { ManualTime } from './manual-time.ts';
export { SeededRandom } from './seeded-random.ts';
export { laterTurn, PoorDevice } from './poor-device.ts';
export { systemTime } from './system-time.ts';
