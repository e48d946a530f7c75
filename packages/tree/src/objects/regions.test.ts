import { GiB, KiB, TiB } from '@ashlar/core';
import { SeededRandom } from '@ashlar/testing';
import test from 'ava';
import {
  leastRegionBytes,
  mostRegionBytes,
  regionAt,
  regionBytes,
  regionClasses,
  regionOf,
  regionsFor,
} from './regions.ts';

test('regions follow each other, and each has what all before it have together, up to a GiB', (t) => {
  let offset = 0;
  for (let index = 0; index < 100; index += 1) {
    const region = regionOf(index);
    t.is(region.offset, offset);
    const bytes = regionBytes(region.regionClass);
    t.is(bytes, index === 0 ? leastRegionBytes : Math.min(offset, mostRegionBytes));
    offset += bytes;
  }
  t.is(regionBytes(regionClasses - 1), GiB);
});

test('a byte is in the region whose bytes are around it', (t) => {
  const random = new SeededRandom(1);
  const offsets = [0, 1, 4095, 4096, 8191, 8192, GiB - 1, GiB, GiB + 1, 2 * GiB - 1, 2 * GiB, TiB, 2 ** 53 - 1];
  for (let count = 0; count < 1000; count += 1) offsets.push(random.below(2 ** random.below(53)));
  for (const offset of offsets) {
    const region = regionAt(offset);
    t.true(region.offset <= offset && offset < region.offset + regionBytes(region.regionClass), String(offset));
    t.deepEqual(regionOf(region.index), region);
  }
});

test('a file has as many regions as it has bytes for', (t) => {
  t.is(regionsFor(0), 0);
  t.is(regionsFor(1), 1);
  t.is(regionsFor(4 * KiB), 1);
  t.is(regionsFor(4 * KiB + 1), 2);
  t.is(regionsFor(GiB), 19);
  t.is(regionsFor(GiB + 1), 20);
  t.is(regionsFor(TiB), 19 + 1023);
});
