import type { ScrubReport } from '@ashlar/core';
import type { Place } from './walked.ts';

/** The last scrub as the database has it, and where it goes on where it has not ended. */
export type ScrubRecord = ScrubReport & { readonly place: Place | undefined };

/** Of a pool that was made then; 0 where that is not known. */
export const noScrub = (sinceMs: number): ScrubReport => ({
  state: 'never',
  reason: undefined,
  sinceMs,
  startedMs: undefined,
  endedMs: undefined,
  completedMs: undefined,
  interruptions: 0,
  bytesPerSecond: undefined,
  doneBytes: 0,
  totalBytes: 0,
  findings: [],
  damagedBytes: 0,
  damagedPages: 0,
  records: undefined,
});

export const newScrubRecord = (sinceMs: number): ScrubRecord => ({ ...noScrub(sinceMs), place: undefined });
