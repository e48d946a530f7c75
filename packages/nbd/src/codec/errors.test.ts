import { errorKinds } from '@ashlar/core';
import test from 'ava';
import { errorCode } from './constants.ts';
import { errorOfKind, kindOfError } from './errors.ts';

test('each kind of error has a number of the document, and never ENOTSUP', (t) => {
  const known: ReadonlySet<number> = new Set(Object.values(errorCode));
  t.deepEqual(Object.keys(errorOfKind).toSorted(), [...errorKinds].toSorted());
  for (const kind of errorKinds) {
    t.true(known.has(errorOfKind[kind]), kind);
    t.not(errorOfKind[kind], errorCode.ENOTSUP, `${kind}: ENOTSUP is for NBD_CMD_FLAG_FAST_ZERO alone`);
  }
});

test('each number of the document is a kind of error, and an unknown one counts as EINVAL', (t) => {
  for (const code of Object.values(errorCode)) t.true(errorKinds.includes(kindOfError(code)));
  t.is(kindOfError(errorCode.ENOSPC), 'no-space');
  t.is(kindOfError(4711), kindOfError(errorCode.EINVAL));
});
