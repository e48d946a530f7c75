import { AshlarError } from '@ashlar/core';

/** Exit statuses: 0 done, 1 it failed, 2 it was called in a way that cannot be. */
export const exitStatus = { done: 0, failed: 1, usage: 2 } as const;

/** The command was written in a way that cannot be: status 2, and how to find out more. */
export class UsageError extends Error {}

/** What a user reads of an error: a sentence; where no AshlarError explains it, what the system said. */
export function sentenceOf(error: unknown): string {
  if (error instanceof AshlarError || error instanceof UsageError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
