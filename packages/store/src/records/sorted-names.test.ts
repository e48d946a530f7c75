import test from 'ava';
import { SortedNames } from './sorted-names.ts';

const behind = (names: SortedNames, first: string): string[] => {
  const found = names.from(first);
  return found.names.slice(found.at);
};

test('names that come in any order are given in order, from one on', (t) => {
  const names = new SortedNames();
  t.deepEqual(behind(names, ''), []);
  for (const name of ['d', 'a', 'c']) names.add(name);
  t.deepEqual(behind(names, ''), ['a', 'c', 'd']);
  for (const name of ['b', 'e', 'A']) names.add(name);
  t.deepEqual(behind(names, 'b'), ['b', 'c', 'd', 'e']);
  t.deepEqual(behind(names, 'bb'), ['c', 'd', 'e']);
  t.deepEqual(behind(names, 'f'), []);
  t.deepEqual(behind(names, ''), ['A', 'a', 'b', 'c', 'd', 'e']);
});
