import { readFileSync, writeFileSync } from 'node:fs';
import type { BrokenRule } from '@ashlar/store';
import type { SeedOptions } from './run-seed.ts';

/** A history as a file: what is left of the operations of a seed. */
export type SavedHistory = SeedOptions & { readonly operations: readonly number[] };

export function saveHistory(path: string, { seed, operations, broken, checked }: SavedHistory): void {
  writeFileSync(path, `${JSON.stringify({ seed, broken, checked, operations })}\n`);
}

/** Throws a sentence where the file is not one that was saved. */
export function readHistory(path: string): SavedHistory {
  const { seed, operations, broken, checked } = JSON.parse(readFileSync(path, 'utf8')) as Partial<SavedHistory>;
  const isNumber = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
  if (!isNumber(seed) || !Array.isArray(operations) || !operations.every(isNumber)) {
    throw new Error(`'${path}' is not a history that was saved with --save`);
  }
  return {
    seed,
    operations,
    checked: checked === true,
    ...(broken === undefined ? {} : { broken: broken as BrokenRule }),
  };
}
