import type { TestFn } from 'ava';
import { dataTests } from './object-store/data-tests.ts';
import { lifeTests } from './object-store/life-tests.ts';
import { recordTests } from './object-store/record-tests.ts';
import { flattenTests } from './object-store/flatten-tests.ts';
import { reservationTests } from './object-store/reservation-tests.ts';
import { snapshotSpaceTests } from './object-store/snapshot-space-tests.ts';
import { snapshotTests } from './object-store/snapshot-tests.ts';
import { spaceTests } from './object-store/space-tests.ts';
import { ofClones, ofSnapshots } from './object-store/with-past.ts';
import { storeTest, type PoolSubject } from './object-store/subject.ts';

/**
 * Proves that a kind of store keeps what the ObjectStore and Pool interfaces promise. Called from a test file of its own
 * package; `name` begins each test's title.
 */
export function objectStoreContract(test: TestFn, name: string, subject: PoolSubject): void {
  const check = storeTest(test, name, subject);
  dataTests(check);
  recordTests(check);
  spaceTests(check);
  lifeTests(check);
  if (subject.past === 'snapshots') return;
  snapshotTests(check);
  if (subject.isCompressed !== true) snapshotSpaceTests(check);
  flattenTests(check);
  reservationTests(check);
}

/** The same of stores that have a past: between whose changes snapshots are taken, and that are clones of clones. */
export function objectStoreContractWithPast(test: TestFn, name: string, subject: PoolSubject): void {
  objectStoreContract(test, `${name}, between snapshots`, ofSnapshots(subject));
  objectStoreContract(test, `${name}, in a clone of a clone`, ofClones(subject));
}
