import test from 'ava';
import { historyOf, historyUntil } from './journal-history.ts';

const position = { generation: 4, number: 30, segment: -1, offset: 0, previous: 0 };
const earlier = [
  { generation: 2, number: 10, until: 20 },
  { generation: 3, number: 20, until: 30 },
];

test('the history of a new pool is its first generation, from the first frame on', (t) => {
  t.deepEqual(historyOf(undefined), [{ generation: 1, number: 0, until: Infinity }]);
});

test('what earlier recoveries took over comes before the generation that is open', (t) => {
  t.deepEqual(historyOf({ position, earlier }), [...earlier, { generation: 4, number: 30, until: Infinity }]);
  t.deepEqual(historyOf({ position }), [{ generation: 4, number: 30, until: Infinity }]);
});

test('a history that a recovery cuts off in an earlier generation ends there: nothing behind is a part of it any more', (t) => {
  const history = historyOf({ position, earlier });
  t.deepEqual(historyUntil(history, 15), [{ generation: 2, number: 10, until: 15 }]);
  t.deepEqual(historyUntil(history, 20), [earlier[0]]);
  t.deepEqual(historyUntil(history, 33), [...earlier, { generation: 4, number: 30, until: 33 }]);
});
