import test from 'ava';
import { TapCounter } from './tap.ts';

test('test lines are counted however the text is cut', (t) => {
  const text =
    'TAP version 13\nok 1 - a › b\nnot ok 2 - c\n  ---\n  ok 9 - inside\n  ...\nok 3 - d # SKIP\n\n1..3\n# tests 3';
  for (let at = 0; at <= text.length; at++) {
    const counter = new TapCounter();
    counter.add(text.slice(0, at));
    counter.add(text.slice(at));
    t.deepEqual(counter.finish(), { passed: 1, failed: ['c'], skipped: ['d'] });
  }
});
