export { createFileDevice } from './raw/file-device.ts';
