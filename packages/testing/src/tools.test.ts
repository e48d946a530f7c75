import test from 'ava';
import { testWithTools } from './tools.ts';

test('a test runs when its tools are there and is skipped when one is not', (t) => {
  t.is(testWithTools(test, 'sh', 'ls'), test);
  t.not(testWithTools(test, 'sh', 'there-is-no-such-program'), test);
});
