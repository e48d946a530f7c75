import test from 'ava';
import type { Event } from './cell.ts';
import { blockBytes } from './snapshot-model.ts';
import { VolumeModel, type Found } from './volume-model.ts';

const full = (byte: number): Uint8Array => new Uint8Array(blockBytes).fill(byte);

/** A volume of four blocks with an operation counter. */
class Story {
  readonly model = new VolumeModel(4 * blockBytes);
  now = 0;

  write(block: number, byte: number, settles = true, durable = false): Event {
    const event = {
      name: `write of ${byte}`,
      calledAt: (this.now += 1),
      endedAt: Infinity,
      settledAt: Infinity,
      durable: false,
    };
    this.model.write(event, block * blockBytes, blockBytes, full(byte));
    if (settles) this.settle(event, durable);
    return event;
  }

  settle(event: Event, durable = false): void {
    event.endedAt = this.now += 1;
    event.settledAt = event.endedAt;
    event.durable = durable;
    if (durable) this.model.durable(event.calledAt, Infinity);
  }

  flush(): void {
    const calledAt = (this.now += 1);
    this.now += 1;
    this.model.durable(calledAt, Infinity);
  }

  recover(blocks: readonly number[], powerLost: boolean): { problem?: string; lost: boolean } {
    return this.model.recover(found(blocks), (this.now += 1), powerLost);
  }
}

function found(blocks: readonly number[], records: Record<string, string> = {}): Found {
  return { bytes: Buffer.concat(blocks.map(full)), records: new Map(Object.entries(records)) };
}

test('after a loss of power what was flushed is there and the rest old or new', (t) => {
  for (const [blocks, lost] of [
    [[1, 0, 0, 0], true],
    [[1, 2, 0, 0], false],
  ] as const) {
    const story = new Story();
    story.write(0, 1);
    story.flush();
    story.write(1, 2);
    t.deepEqual(story.recover(blocks, true), { lost });
  }
});

test('a write that failed may lie below one that was in flight beside it and is seen', (t) => {
  for (const [byte, fits] of [
    [0, true],
    [1, true],
    [2, true],
    [3, false],
  ] as const) {
    const story = new Story();
    const failed = story.write(0, 1, false);
    const other = story.write(0, 2, false);
    failed.endedAt = story.now += 1;
    story.settle(other);
    story.model.sawBlock(0, full(2), (story.now += 1));
    t.deepEqual(story.model.certain(0), full(2));
    t.is(story.recover([byte, 0, 0, 0], true).problem === undefined, fits, `${byte}`);
  }
});

test('a flushed write that is missing is a problem', (t) => {
  const story = new Story();
  story.write(0, 1);
  story.flush();
  t.regex(story.recover([0, 0, 0, 0], true).problem ?? '', /block 0 is zeros/);
});

test('a durable write keeps what had settled before it', (t) => {
  const story = new Story();
  story.write(0, 1);
  story.write(1, 2, true, true);
  t.regex(story.recover([0, 2, 0, 0], true).problem ?? '', /block 0/);
});

test('a later write without an earlier one is a problem', (t) => {
  const story = new Story();
  story.write(0, 1);
  story.write(1, 2);
  t.regex(story.recover([0, 2, 0, 0], true).problem ?? '', /as if cut at/);
});

test('of writes in flight at once either may be there', (t) => {
  const story = new Story();
  const first = story.write(0, 1, false);
  const second = story.write(1, 2, false);
  story.settle(second);
  story.settle(first);
  t.deepEqual(story.recover([0, 2, 0, 0], true), { lost: true });
});

test('a killed process loses nothing that had settled', (t) => {
  const story = new Story();
  story.write(0, 1);
  story.write(1, 2, false);
  t.regex(story.recover([0, 0, 0, 0], false).problem ?? '', /block 0/);
  t.is(story.recover([1, 0, 0, 0], false).problem, undefined);
});

test('what a killed process left in the page cache may be lost with the power', (t) => {
  const story = new Story();
  story.write(0, 1);
  t.is(story.recover([1, 0, 0, 0], false).problem, undefined);
  t.deepEqual(story.recover([0, 0, 0, 0], true), { lost: true });
});

test('a value that was never written, or was overwritten durably, is a problem', (t) => {
  const story = new Story();
  story.write(0, 1);
  story.write(0, 2);
  story.flush();
  t.regex(story.recover([1, 0, 0, 0], true).problem ?? '', /block 0/);
  t.regex(story.recover([2, 0, 0, 9], true).problem ?? '', /nothing was ever written/);
});

test('a batch that is there in part is a problem', (t) => {
  const story = new Story();
  const event = { name: 'commit', calledAt: 1, endedAt: Infinity, settledAt: Infinity, durable: false };
  story.model.commit(
    event,
    new Map([
      ['a', '1'],
      ['b', '1'],
    ]),
  );
  const result = story.model.recover(found([0, 0, 0, 0], { a: '1' }), 2, true);
  t.regex(result.problem ?? '', /in part only/);
});

test('of a batch that failed nothing is said by what was committed behind it', (t) => {
  const story = new Story();
  const failed = { name: 'first', calledAt: 1, endedAt: 2, settledAt: Infinity, durable: false };
  const later = { name: 'second', calledAt: 3, endedAt: 4, settledAt: 4, durable: false };
  const batch = new Map([
    ['a', '1'],
    ['b', '1'],
  ]);
  story.model.commit(failed, batch);
  story.model.commit(later, new Map([['a', '2']]));
  t.is(story.model.recover(found([0, 0, 0, 0], { a: '2' }), 5, false).problem, undefined);
});

test('a read sees what had settled before it, or anything asked for meanwhile', (t) => {
  const story = new Story();
  story.write(0, 1);
  const open = story.write(0, 2, false);
  t.is(story.model.checkRead(0, full(1), 3, 4), undefined);
  t.is(story.model.checkRead(10, full(2).subarray(10), 4, 5), undefined);
  story.now = 10;
  story.settle(open);
  t.regex(story.model.checkRead(0, full(1), 20, 21) ?? '', /block 0/);
});

test('what is cut off is zero when the size grows again', (t) => {
  const story = new Story();
  story.write(1, 7);
  for (const sizeBytes of [blockBytes + 10, 4 * blockBytes]) {
    const event = {
      name: 'truncate',
      calledAt: (story.now += 1),
      endedAt: Infinity,
      settledAt: Infinity,
      durable: false,
    };
    story.model.truncate(event, sizeBytes);
    story.settle(event);
  }
  const bytes = new Uint8Array(blockBytes);
  bytes.fill(7, 0, 10);
  t.is(story.model.checkRead(blockBytes, bytes, 50, 51), undefined);
  t.regex(story.model.checkRead(blockBytes, full(7), 50, 51) ?? '', /block 1/);
});
