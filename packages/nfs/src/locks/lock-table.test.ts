import { SeededRandom } from '@ashlar/testing';
import test from 'ava';
import { endOfAll, LockTable, type Lock, type LockOwner, type LockRange } from './lock-table.ts';

const owner = (process: string, client = 'vm'): LockOwner => ({ client, process });
/** To the end of all where `to` is Infinity. */
const range = (from: number, to: number): LockRange => ({
  from: BigInt(from),
  to: to === Infinity ? endOfAll : BigInt(to),
});
const lock = (process: string, from: number, to: number, isExclusive = true): Lock => ({
  owner: owner(process),
  ...range(from, to),
  isExclusive,
});

const rangesOf = (table: LockTable, process: string): string[] =>
  table
    .all()
    .filter((each) => each.owner.process === process)
    .map(({ from, isExclusive, to }) => `${isExclusive ? 'w' : 'r'}${from}-${to}`);

test('locks of one owner replace each other, and neighbours of one kind are one', (t) => {
  const table = new LockTable();
  t.is(table.take('f', lock('a', 0, 100)), undefined);
  t.is(table.take('f', lock('a', 20, 40, false)), undefined);
  t.deepEqual(rangesOf(table, 'a'), ['w0-20', 'r20-40', 'w40-100']);
  table.free('f', owner('a'), range(30, 50));
  t.deepEqual(rangesOf(table, 'a'), ['w0-20', 'r20-30', 'w50-100']);
  table.take('f', lock('a', 20, 50));
  t.deepEqual(rangesOf(table, 'a'), ['w0-100']);
  table.free('f', owner('a'), range(0, Infinity));
  t.deepEqual(table.all(), []);
});

test('locks of several owners are shared or exclusive, each on its file', (t) => {
  const table = new LockTable();
  table.take('f', lock('a', 0, 10, false));
  t.is(table.take('f', lock('b', 5, 15, false)), undefined);
  t.deepEqual(table.take('f', lock('c', 9, 20)), lock('a', 0, 10, false));
  t.is(table.take('g', lock('c', 9, 20)), undefined);
  t.is(table.conflict('f', lock('c', 15, Infinity)), undefined);
  t.deepEqual(table.conflict('f', { ...lock('a', 0, 10), owner: owner('a', 'other vm') }), lock('a', 0, 10, false));
});

test('who waits is granted in the order in which it came, as soon as nothing is in the way', (t) => {
  const table = new LockTable();
  const granted: string[] = [];
  const wait = (process: string, from: number, to: number, isExclusive = true): void =>
    table.wait({ ...lock(process, from, to, isExclusive), file: 'f', granted: () => granted.push(process) });
  table.take('f', lock('a', 0, 100));
  wait('b', 0, 10);
  wait('c', 5, 20, false);
  wait('d', 50, 60);
  table.free('f', owner('a'), range(0, 40));
  t.deepEqual(granted, ['b']);
  table.free('f', owner('b'), range(0, 10));
  t.deepEqual(granted, ['b', 'c']);
  t.true(table.cancel('f', lock('d', 50, 60)));
  t.false(table.cancel('f', lock('d', 50, 60)));
  table.free('f', owner('a'), range(0, Infinity));
  t.deepEqual(granted, ['b', 'c']);
});

test('a machine that is new has nothing, and others get what it had', (t) => {
  const table = new LockTable();
  let isGranted = false;
  table.take('f', lock('a', 0, 10));
  table.take('g', { ...lock('a', 0, 10), owner: owner('a', 'other') });
  table.wait({ ...lock('a', 20, 30), file: 'g', granted: () => undefined });
  table.wait({ ...lock('b', 0, 5), owner: owner('b', 'other'), file: 'f', granted: () => (isGranted = true) });
  table.forget('vm');
  t.true(isGranted);
  t.deepEqual(
    table
      .all()
      .map(({ file, owner: { client } }) => `${file} ${client}`)
      .toSorted(),
    ['f other', 'g other'],
  );
});

test('random locks are what a table of single bytes says', (t) => {
  const random = new SeededRandom(2);
  const table = new LockTable();
  const bytes = new Map<string, ('r' | 'w' | undefined)[]>(
    ['a', 'b', 'c'].map((name) => [name, Array(40).fill(undefined)]),
  );
  for (let count = 0; count < 3000; count += 1) {
    const process = random.pick(['a', 'b', 'c']);
    const from = random.below(40);
    const to = from + 1 + random.below(40 - from);
    if (random.oneIn(3)) {
      table.free('f', owner(process), range(from, to));
      bytes.get(process)!.fill(undefined, from, to);
      continue;
    }
    const isExclusive = random.oneIn(2);
    const isFree = [...bytes].every(
      ([name, held]) =>
        name === process || held.slice(from, to).every((each) => each === undefined || (each === 'r' && !isExclusive)),
    );
    t.is(table.take('f', lock(process, from, to, isExclusive)) === undefined, isFree);
    if (isFree) bytes.get(process)!.fill(isExclusive ? 'w' : 'r', from, to);
  }
  for (const [process, held] of bytes) {
    const found: ('r' | 'w' | undefined)[] = Array(40).fill(undefined);
    for (const each of table.all())
      if (each.owner.process === process) found.fill(each.isExclusive ? 'w' : 'r', Number(each.from), Number(each.to));
    t.deepEqual(found, held);
  }
});
