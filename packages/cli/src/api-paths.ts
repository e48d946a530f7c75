import { snapshotParts } from './snapshot-names.ts';

/** Paths of the admin API. */
export const volumePath = (volume: string): string => `/v1/volumes/${encodeURIComponent(volume)}`;

export const exportPath = (name: string): string => `/v1/exports/${encodeURIComponent(name)}`;

export const snapshotsPath = (volume: string): string => `${volumePath(volume)}/snapshots`;

/** Of `VOLUME@SNAPSHOT`. */
export function snapshotPath(fullName: string): string {
  const { volume, name } = snapshotParts(fullName);
  return `${snapshotsPath(volume)}/${encodeURIComponent(name)}`;
}
