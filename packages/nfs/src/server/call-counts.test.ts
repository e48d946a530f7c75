import test from 'ava';
import { callName, CallCounts } from './call-counts.ts';

test('calls are counted by their procedures, with how long they took', (t) => {
  const counts = new CallCounts();
  counts.add(100_003, 6, 2);
  counts.add(100_003, 6, 4);
  counts.add(100_003, 0, 1);
  counts.add(100_003, 99, 1);
  counts.add(100_005, 1, 1);
  counts.add(100_021, 2, 1);
  counts.add(100_227, 0, 1);
  counts.add(100_227, 1, 1);
  counts.add(100_227, 2, 3);
  counts.add(1, 2, 1);
  t.deepEqual(counts.view(), {
    READ: { calls: 2, seconds: 0.006, mostSeconds: 0.004 },
    NULL: { calls: 2, seconds: 0.002, mostSeconds: 0.001 },
    GETACL: { calls: 1, seconds: 0.001, mostSeconds: 0.001 },
    SETACL: { calls: 1, seconds: 0.003, mostSeconds: 0.003 },
    MOUNT: { calls: 1, seconds: 0.001, mostSeconds: 0.001 },
    NLM: { calls: 1, seconds: 0.001, mostSeconds: 0.001 },
    other: { calls: 2, seconds: 0.002, mostSeconds: 0.001 },
  });
  t.is(callName(100_003, 21), 'COMMIT');
});
