import test from 'ava';
import { costOf, FairQueue, type Flow, type Turn } from './fair-queue.ts';
import { KiB, MiB } from './units.ts';

/** What was begun, in order, and how each ends. */
class Log {
  readonly begun: string[] = [];
  readonly #underWay: { readonly name: string; readonly flow: Flow; readonly cost: number }[] = [];

  submit(flow: Flow, name: string, cost: number): void {
    const turn: Turn = {
      cost,
      behind: undefined,
      begin: () => {
        this.begun.push(name);
        this.#underWay.push({ name, flow, cost });
      },
    };
    flow.submit(turn);
  }

  get underWayBytes(): number {
    return this.#underWay.reduce((sum, { cost }) => sum + cost, 0);
  }

  /** The one that was begun first ends, or the first of a flow. */
  end(of?: Flow): boolean {
    const index = of === undefined ? 0 : this.#underWay.findIndex(({ flow }) => flow === of);
    const [item] = this.#underWay.splice(index, 1);
    item?.flow.ended(item.cost);
    return item !== undefined;
  }

  count(letter: string, from = 0): number {
    return this.begun.slice(from).filter((name) => name.startsWith(letter)).length;
  }
}

test('what is alone begins at once, however much it is', (t) => {
  const log = new Log();
  const flow = new FairQueue().flow();
  for (let index = 0; index < 100; index += 1) log.submit(flow, `a${index}`, MiB);
  t.is(log.begun.length, 100);
});

test('a small request begins at once beside a volume with a deep queue, each time', (t) => {
  const log = new Log();
  const queue = new FairQueue();
  const [deep, small] = [queue.flow(), queue.flow()];
  for (let index = 0; index < 64; index += 1) log.submit(deep, 'deep', MiB);
  for (let round = 0; round < 200; round += 1) {
    const before = log.begun.length;
    log.submit(small, 'small', 4 * KiB);
    t.deepEqual(log.begun.slice(before), ['small']);
    log.end(small);
    log.submit(deep, 'deep', MiB);
    log.end(deep);
  }
  t.true(log.underWayBytes <= 4 * MiB, 'the deep one has little under way while it is not alone');
});

test('volumes that all have deep queues get as many bytes each, whatever the size of their requests', (t) => {
  const log = new Log();
  const queue = new FairQueue();
  const sizes = { a: MiB, b: 64 * KiB, c: 4 * KiB };
  const flows = Object.entries(sizes).map(([name, cost]) => ({ name, cost, flow: queue.flow() }));
  for (const { name, cost, flow } of flows) log.submit(flow, name, cost);
  for (const { name, cost, flow } of flows) for (let sum = 0; sum < 64 * MiB; sum += cost) log.submit(flow, name, cost);
  const before = log.begun.length;
  const bytesOf = (name: keyof typeof sizes): number => log.count(name, before) * sizes[name];
  while (bytesOf('a') + bytesOf('b') + bytesOf('c') < 90 * MiB) t.true(log.end());
  for (const name of ['a', 'b', 'c'] as const) {
    t.true(Math.abs(bytesOf(name) - 30 * MiB) <= 4 * MiB, `${name} began ${bytesOf(name) / MiB} MiB`);
  }
});

test('everything begins in the end, in the order of its flow', (t) => {
  const log = new Log();
  const queue = new FairQueue();
  const flows = [queue.flow(), queue.flow(), queue.flow()];
  const expected: string[][] = [[], [], []];
  for (let index = 0; index < 300; index += 1) {
    const which = (index * 7) % 3;
    const name = `${which}:${index}`;
    log.submit(flows[which]!, name, costOf(((index * 131) % 40) * 64 * KiB));
    expected[which]?.push(name);
  }
  while (log.end());
  for (const [which, names] of expected.entries()) {
    t.deepEqual(
      log.begun.filter((name) => name.startsWith(`${which}:`)),
      names,
    );
  }
});

test('a volume whose requests never end holds nobody back', (t) => {
  const log = new Log();
  const queue = new FairQueue();
  const [stuck, other] = [queue.flow(), queue.flow()];
  for (let index = 0; index < 64; index += 1) log.submit(stuck, 'stuck', MiB);
  for (let index = 0; index < 1000; index += 1) log.submit(other, 'other', 4 * KiB);
  t.is(log.count('other'), 256, 'a little of its own is always under way');
  while (log.count('other') < 1000) t.true(log.end(other));
});

test('what is begun may end at once: a queue of any length is worked off without one call within the other', (t) => {
  const queue = new FairQueue();
  const [first, second] = [queue.flow(), queue.flow()];
  let ends = 0;
  const submit = (flow: Flow, cost: number, begin: (turn: Turn) => void): void => {
    const turn: Turn = { cost, behind: undefined, begin: () => begin(turn) };
    flow.submit(turn);
  };
  const held: Turn[] = [];
  submit(second, 4 * KiB, (turn) => held.push(turn));
  for (let index = 0; index < 8; index += 1) submit(first, MiB, (turn) => held.push(turn));
  for (let index = 0; index < 100_000; index += 1) {
    submit(first, MiB, ({ cost }) => {
      ends += 1;
      first.ended(cost);
    });
  }
  t.is(ends, 0);
  for (let turn = held.pop(); turn !== undefined; turn = held.pop()) if (turn.cost === MiB) first.ended(MiB);
  t.is(ends, 100_000);
});

test('who is left alone is held back no more after a while', (t) => {
  const log = new Log();
  const queue = new FairQueue();
  const [left, gone] = [queue.flow(), queue.flow()];
  log.submit(gone, 'gone', 4 * KiB);
  log.submit(left, 'left', MiB);
  log.end(gone);
  for (let index = 0; index < 300; index += 1) {
    log.submit(left, 'left', MiB);
    log.end(left);
  }
  const before = log.begun.length;
  for (let index = 0; index < 64; index += 1) log.submit(left, 'left', MiB);
  t.is(log.begun.length - before, 64);
});
