import { isPromise, type Settled } from '@ashlar/core';
import type { StoredRecord } from './tree-records.ts';

/** Some records from a key on, in order, and where to go on; nothing: there are no more. */
export type ScanPage = { readonly records: readonly StoredRecord[]; readonly end: Buffer | undefined };

/** At most `limit` records from a key on, of as many pages as that takes: at once where pages are given at once. */
export function scanPages(
  from: Buffer,
  limit: number,
  pageFrom: (from: Buffer) => Settled<ScanPage>,
  found: StoredRecord[] = [],
): Settled<readonly StoredRecord[]> {
  for (let next: Buffer | undefined = from; next !== undefined && found.length < limit;) {
    const page = pageFrom(next);
    if (isPromise(page)) {
      return page.then(({ end, records }) => {
        found.push(...records);
        return end === undefined ? found.slice(0, limit) : scanPages(end, limit, pageFrom, found);
      });
    }
    found.push(...page.records);
    next = page.end;
  }
  return found.slice(0, limit);
}

/** The first key behind another. */
export const behind = (key: Uint8Array): Buffer => Buffer.concat([key, Buffer.of(0)]);

/** Where a page of several scans ends: of the last key of one that is full there may be more. */
export function endOf(...ends: readonly (Buffer | undefined)[]): Buffer | undefined {
  return ends.reduce(
    (one, other) => (one === undefined || (other !== undefined && other.compare(one) < 0) ? other : one),
    undefined,
  );
}
