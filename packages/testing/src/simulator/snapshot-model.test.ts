import test from 'ava';
import type { Event } from './cell.ts';
import { blockBytes, Instant, type SnapshotModel } from './snapshot-model.ts';
import { VolumeModel } from './volume-model.ts';

const full = (byte: number): Uint8Array => new Uint8Array(blockBytes).fill(byte);

function eventAt(calledAt: number): Event {
  return { name: 'write', calledAt, endedAt: Infinity, settledAt: Infinity, durable: false };
}

function write(model: VolumeModel, block: number, byte: number, calledAt: number, settledAt: number): void {
  const event = eventAt(calledAt);
  model.write(event, block * blockBytes, blockBytes, full(byte));
  event.endedAt = event.settledAt = settledAt;
}

/** Two volumes of four blocks, a snapshot of both asked for at 10 and answered at 20, and a write to each meanwhile. */
function taken(first: readonly [number, number], second: readonly [number, number]): readonly SnapshotModel[] {
  const models = [new VolumeModel(4 * blockBytes), new VolumeModel(4 * blockBytes)] as const;
  const instant = new Instant(10);
  const snapshots = models.map((model) => model.snapshot(10, instant));
  write(models[0], 0, 1, ...first);
  write(models[1], 0, 2, ...second);
  instant.narrow([{ from: 10, to: 20 }]);
  for (const [index, model] of models.entries()) model.widen(snapshots[index]!, 10);
  return snapshots;
}

test('what was written while a snapshot was taken is in it or not, and ever after what it was at first', (t) => {
  const [snapshot] = taken([11, 12], [13, 14]);
  t.is(snapshot?.saw(0, full(1)), undefined);
  t.regex(snapshot?.saw(0, full(0)) ?? '', /block 0/);
});

test('snapshots of one instant that have the later of two writes have the earlier as well', (t) => {
  const [first, second] = taken([11, 12], [13, 14]);
  t.is(second?.saw(0, full(2)), undefined);
  t.regex(first?.saw(0, full(0)) ?? '', /another instant/);
});

test('of two writes in flight at once a snapshot of both volumes may have either', (t) => {
  const [first, second] = taken([11, 14], [12, 13]);
  t.is(second?.saw(0, full(2)), undefined);
  t.is(first?.saw(0, full(0)), undefined);
});

test('a block that is lost says nothing', (t) => {
  const [first] = taken([11, 12], [13, 14]);
  t.is(first?.saw(0, full(9), new Set([0])), undefined);
});
