export { sourceKey, type DeviceSource, type Grant } from './messages.ts';
export { Plane } from './plane.ts';
