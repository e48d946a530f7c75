import { readFileSync } from 'node:fs';
import test from 'ava';
import { metricsOf } from '../deploy/ashlar.ts';

test('docs/states.md has every state that a server may report, and no other', async (t) => {
  const page = readFileSync(new URL('../../docs/states.md', import.meta.url), 'utf8');
  const [states] = page.split('## Transitions');
  const named = [...states!.matchAll(/^\| ([a-z-]+) +\| /gm)]
    .map(([, state]) => state!)
    .filter((name) => name !== 'state');
  const exported = [...(await metricsOf()).matchAll(/^ashlar_pool_state\{state="([\w-]+)"\}/gm)];
  t.deepEqual(
    named.filter((name) => !/^-+$/.test(name)),
    exported.map(([, state]) => state!),
  );
});
