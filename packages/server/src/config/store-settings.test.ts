import { GiB, MiB } from '@ashlar/core';
import test from 'ava';
import { automaticCacheSize, storeSettings } from './store-settings.ts';

test('the cache takes an eighth of the memory, or of what a container may use', (t) => {
  t.is(automaticCacheSize(24 * GiB, 0), 3 * GiB);
  t.is(automaticCacheSize(24 * GiB, 2 ** 63), 3 * GiB);
  t.is(automaticCacheSize(24 * GiB, 512 * MiB), 64 * MiB);
});

test('a size that is written is taken', (t) => {
  const store = { chunkSize: 1, journalSize: 2, overlaySize: 3, mapCacheSize: 4 };
  t.is(storeSettings({ ...store, cacheSize: 5 }).cacheSize, 5);
  t.true(storeSettings({ ...store, cacheSize: 'auto' }).cacheSize > 0);
});
