import test from 'ava';
import { Locality } from './locality.ts';

test('reads that follow each other are near from the second on, also of several readers', (t) => {
  const locality = new Locality();
  const readers = [10, 5000, 1_000_000];
  t.deepEqual(
    readers.map((first) => locality.isNear(first)),
    [false, false, false],
  );
  for (let step = 0; step < 100; step += 1) {
    for (const first of readers) t.true(locality.isNear(first + step), `${first} + ${step}`);
  }
});

test('reads of anywhere are not near', (t) => {
  const locality = new Locality();
  let near = 0;
  for (let step = 0, window = 1; step < 10_000; step += 1) {
    window = (window * 48_271) % 2_147_483_647;
    near += Number(locality.isNear(window));
  }
  t.true(near < 20, `${near} of 10000`);
});

test('the first window has none before it', (t) => {
  const locality = new Locality();
  t.false(locality.isNear(0));
  t.true(locality.isNear(1));
});
