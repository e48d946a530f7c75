import test from 'ava';
import { SharedSync } from './shared-sync.ts';

/** A run that ends when it is told to. */
function held() {
  const ends: { readonly good: () => void; readonly bad: (error: Error) => void }[] = [];
  const sync = new SharedSync(() => new Promise((good, bad) => ends.push({ good, bad })));
  return { ends, sync };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('those that come while a sync runs share the next', async (t) => {
  const { ends, sync } = held();
  const first = sync.wait();
  const rest = [sync.wait(), sync.wait(), sync.wait()];
  t.is(ends.length, 1);
  ends[0]!.good();
  await first;
  await turn();
  t.is(ends.length, 2);
  ends[1]!.good();
  await Promise.all(rest);
  t.false(sync.isRunning);
});

test('one that fails is told to all that wait, also to those that came while it ran, and to no others', async (t) => {
  const { ends, sync } = held();
  const all = [sync.wait(), sync.wait(), sync.wait()];
  ends[0]!.bad(new Error('no room'));
  for (const each of all) await t.throwsAsync(each, { message: 'no room' });
  t.is(ends.length, 1);
  const later = [sync.wait(), sync.wait()];
  ends[1]!.good();
  await later[0];
  await turn();
  ends[2]!.good();
  await t.notThrowsAsync(Promise.all(later));
});
