import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StoreId } from '@ashlar/core';
import test from 'ava';
import { recordKey, sealed } from './keys.ts';
import { openLmdb } from './lmdb.ts';
import { RecordOverlay } from './record-overlay.ts';
import { scanMerged } from './scan.ts';

const store = 7 as StoreId;
const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

test('changes lie over what they hide, in order, and nothing hidden is looked at', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'ashlar-scan-'));
  const records = openLmdb(path);
  t.teardown(async () => {
    await records.close();
    rmSync(path, { recursive: true });
  });
  const stored = ['b', 'd', 'f', 'h'].map((name) => recordKey(store, bytes(name)));
  const damaged = recordKey(store, bytes('c'));
  await records.commit([
    ...stored.map((key) => ({ key, value: sealed(key, bytes('old')) })),
    { key: damaged, value: bytes('no checksum') },
  ]);
  const overlay = new RecordOverlay();
  const change = (name: string, value: string | null): void =>
    overlay.apply([{ key: bytes(name), value: value === null ? null : bytes(value) }]);
  change('a', 'new');
  change('c', 'new');
  change('d', null);
  change('g', 'new');
  change('i', 'new');
  const found = (limit: number, from = 'a', to = 'z'): string =>
    scanMerged({ records, overlay }, store, bytes(from), bytes(to), limit)
      .map(({ key, value }) => `${Buffer.from(key).toString('latin1')}=${Buffer.from(value).toString('latin1')}`)
      .join(' ');
  t.is(found(Infinity), 'a=new b=old c=new f=old g=new h=old i=new');
  t.is(found(3), 'a=new b=old c=new');
  t.is(found(0), '');
  t.is(found(Infinity, 'c', 'g'), 'c=new f=old');
});
