export { sourceKey, type DeviceSource, type Grant, type NfsGrant, type WorkerSettings } from './messages.ts';
export { Plane } from './plane.ts';
