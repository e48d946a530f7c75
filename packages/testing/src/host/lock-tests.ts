import type { HostFile } from '@ashlar/host';
import type { Check } from './check.ts';

/** Locks of whole files and of ranges. */
export function lockTests(check: Check): void {
  check('an exclusive lock keeps every other opener out until it is closed', (t, { host, directory }) => {
    const open = (): HostFile => host.open(`${directory}/a`, { create: true });
    const [first, second, third] = [open(), open(), open()];
    t.true(first.tryLock(true));
    t.true(first.tryLock(true));
    t.false(second.tryLock(true));
    t.false(second.tryLock(false));
    first.close();
    t.true(second.tryLock(false));
    t.true(third.tryLock(false));
    t.false(third.tryLock(true));
    second.close();
    t.true(third.tryLock(true));
    third.close();
  });

  check('a lock of a range is shared, and seen by others until it is closed', (t, { host, directory }) => {
    const open = (): HostFile => host.open(`${directory}/a`, { create: true });
    const [first, second, third] = [open(), open(), open()];
    t.true(first.lockRange(100, 2));
    t.true(second.lockRange(101, 1));
    t.false(third.lockRange(300, 1) && third.isRangeLocked(300, 1), 'its own');
    t.deepEqual(
      [99, 100, 101, 102].map((at) => third.isRangeLocked(at, 1)),
      [false, true, true, false],
    );
    t.true(third.isRangeLocked(50, 51));
    first.close();
    t.false(third.isRangeLocked(100, 1));
    t.true(third.isRangeLocked(101, 1));
    second.close();
    t.false(third.isRangeLocked(0, 200));
    third.close();
  });
}
