import test from 'ava';
import { Layer } from './layer.ts';
import { OverlayChunks } from './overlay-chunks.ts';

test('chunks are found by their index, and all of them by iterating', (t) => {
  const chunks = new OverlayChunks(64);
  const layer = new Layer();
  t.deepEqual([...layer], []);
  const indexes = Array.from({ length: 1000 }, (_, at) => at * 257);
  const added = indexes.map((index) => {
    const chunk = chunks.take();
    layer.add(index, chunk);
    return chunk;
  });
  t.is(layer.size, 1000);
  t.true(indexes.every((index, at) => layer.get(index) === added[at]));
  t.true(layer.has(257));
  t.false(layer.has(256));
  t.deepEqual(
    [...layer.keys()].sort((a, b) => a - b),
    indexes,
  );
  t.deepEqual(new Set(layer.values()), new Set(added));
});

test('chunks whose indexes differ in high bits only are kept apart', (t) => {
  const chunks = new OverlayChunks(64);
  const layer = new Layer();
  const indexes = Array.from({ length: 100 }, (_, at) => at * 2 ** 32 + 5);
  const added = indexes.map((index) => {
    const chunk = chunks.take();
    layer.add(index, chunk);
    return chunk;
  });
  t.true(indexes.every((index, at) => layer.get(index) === added[at]));
  t.is(layer.get(100 * 2 ** 32 + 5), undefined);
});

test('a layer that was cleared has nothing, and takes chunks again', (t) => {
  const chunks = new OverlayChunks(64);
  const layer = new Layer();
  for (let index = 0; index < 100; index += 1) layer.add(index, chunks.take());
  layer.clear();
  t.is(layer.size, 0);
  t.deepEqual([...layer], []);
  t.false(layer.has(7));
  const chunk = chunks.take();
  layer.add(7, chunk);
  t.deepEqual([...layer], [[7, chunk]]);
});
