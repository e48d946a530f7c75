import type { FileTree } from '@ashlar/core';
import test from 'ava';
import { ReceiptRing, Receipts } from './receipts.ts';
import type { CallKey } from './reply-cache.ts';

const keyOf = (xid: number, procedure = 8, checksum = 77): CallKey => ({
  client: '10.0.0.1',
  xid,
  procedure,
  checksum,
});
const results = (text: string): Uint8Array => Buffer.from(text);
const now = 1_700_000_000;

test('answers that were kept are found by a later process, and no others', (t) => {
  const ring = new ReceiptRing(Buffer.from('c'), []);
  const kept = [1, 2].map((xid) => ring.receipt(keyOf(xid), results(`r${xid}`), now).value);
  const later = new ReceiptRing(Buffer.from('c'), kept);
  t.deepEqual(Buffer.from(later.find(keyOf(2), now + 10)!).toString(), 'r2');
  t.is(later.find(keyOf(3), now), undefined);
  t.is(later.find(keyOf(2, 9), now), undefined);
  t.is(later.find(keyOf(2, 8, 78), now), undefined);
  t.is(later.find(keyOf(2), now + 4000), undefined, 'it is too old');
});

test('the last of one client are kept, whatever their numbers are, and go on where they were', (t) => {
  const slots = new Map<number, Uint8Array>();
  let ring = new ReceiptRing(Buffer.from('c'), []);
  for (let at = 0; at < 1000; at += 1) {
    if (at === 700) ring = new ReceiptRing(Buffer.from('c'), [...slots.values()]);
    // All of the same remainder.
    const { slot, value } = ring.receipt(keyOf(at * 256), results(String(at)), now);
    slots.set(slot, value);
  }
  const later = new ReceiptRing(Buffer.from('c'), [...slots.values()]);
  t.is(slots.size, 256);
  for (let at = 1000 - 256; at < 1000; at += 1) t.truthy(later.find(keyOf(at * 256), now), String(at));
});

test('what a tree kept of a client is looked at once', async (t) => {
  let asked = 0;
  const tree = {
    receipts: async () => {
      asked += 1;
      return [];
    },
  } as unknown as FileTree;
  const all = new Receipts();
  const [one, other] = await Promise.all([all.ringOf(1n, tree, 'a'), all.ringOf(1n, tree, 'a')]);
  t.is(one, other);
  t.is(await all.ringOf(1n, tree, 'a'), one);
  t.is(asked, 2);
  t.not(await all.ringOf(1n, tree, 'b'), one);
  t.not(await all.ringOf(2n, tree, 'a'), one);
});

test('what is damaged is passed over', (t) => {
  t.is(new ReceiptRing(Buffer.from('c'), [Buffer.alloc(3)]).find(keyOf(0), now), undefined);
});
