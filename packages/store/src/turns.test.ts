import { ManualTime } from '@ashlar/testing';
import test from 'ava';
import { sliceMs, Turns } from './turns.ts';

/** Turns on a clock that stands still, and how many of the others' turns passed until a slice came. */
function turnsOf(dueMs?: (done: number) => number): { time: ManualTime; turns: Turns; rested: () => Promise<number> } {
  const time = new ManualTime();
  const turns = new Turns({ clock: time, scheduler: time }, dueMs);
  const rested = async (): Promise<number> => {
    let passed = 1;
    let isOn = false;
    const next = turns.next().then(() => (isOn = true));
    const other = (): void => {
      if (isOn) return;
      passed += 1;
      time.soon(other);
    };
    time.soon(other);
    await time.advance(0);
    await next;
    return passed;
  };
  return { time, turns, rested };
}

test('a slice is over after its time, and the next one after one turn of the others', async (t) => {
  const { time, turns, rested } = turnsOf();
  t.false(turns.isOver);
  await time.advance(sliceMs);
  t.true(turns.isOver);
  t.is(await rested(), 1);
  t.false(turns.isOver);
});

test('work that is ahead leaves the others some turns, and goes on for all that', async (t) => {
  const asked: number[] = [];
  const { turns, rested } = turnsOf((done) => {
    asked.push(done);
    return 0;
  });
  turns.done = 0.5;
  const passed = await rested();
  t.true(passed > 2 && passed < 20, `${passed} turns`);
  t.deepEqual([...new Set(asked)], [0.5]);
});

test('the slice of work that is late comes at once, and is as long as is due', async (t) => {
  const { time, turns, rested } = turnsOf(() => 3 * sliceMs);
  t.is(await rested(), 1);
  await time.advance(2 * sliceMs);
  t.false(turns.isOver);
  await time.advance(2 * sliceMs);
  t.true(turns.isOver);
});
