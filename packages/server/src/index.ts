import type * as z from 'zod';
import type { statisticsSchema, statusSchema } from './admin/schemas.ts';

export { readExportsFile } from './exports-file.ts';
export { fileKey, loadConfig, type LoadedConfig } from './config/load.ts';
export { toVariable } from './config/names.ts';
export { configKeys } from './config/schema.ts';
export type { ConnectionView, ExportView, LockView, NfsClientView, VolumeView } from './control.ts';
export type { ChangesView, SnapshotView } from './snapshot-control.ts';
export type { ScrubView } from './scrub-view.ts';
export { runCaptive } from './process/captive.ts';
export { createLogger } from './process/logger.ts';
export { Notifier, passedDescriptors } from './process/notify.ts';
export { Server } from './server.ts';
export type { NamedVolume } from './volume-option.ts';

export type StatusView = z.output<typeof statusSchema>;
export type StatisticsView = z.output<typeof statisticsSchema>;
