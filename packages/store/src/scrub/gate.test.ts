import { ManualTime } from '@ashlar/testing';
import test from 'ava';
import { Gate } from './gate.ts';

/** Eight lanes that pass as often as they may, and how much that was. */
function make(bytesPerSecond: number) {
  const time = new ManualTime();
  const gate = new Gate({ clock: time, scheduler: time });
  gate.setRate(bytesPerSecond);
  const passed = { bytes: 0, ended: 0 };
  const lane = async (): Promise<void> => {
    while (await gate.pass(100)) {
      passed.bytes += 100;
      if (passed.bytes > 1_000_000) gate.end();
    }
    passed.ended += 1;
  };
  for (let count = 0; count < 8; count += 1) void lane();
  return { time, gate, passed };
}

test('as much passes as the rate says, however many ask', async (t) => {
  const { time, passed } = make(10_000);
  await time.advance(1000);
  t.true(passed.bytes >= 10_000 && passed.bytes <= 10_600, String(passed.bytes));
});

test('another rate holds at once, for those who wait as well', async (t) => {
  const { time, gate, passed } = make(1);
  await time.advance(1000);
  t.is(passed.bytes, 100);
  gate.setRate(10_000);
  await time.advance(0);
  await time.advance(1000);
  t.true(passed.bytes >= 10_000, String(passed.bytes));
});

test('without a bound nobody waits', async (t) => {
  const { time, passed } = make(Infinity);
  await time.advance(0);
  t.true(passed.bytes > 1_000_000);
});

test('nothing passes while it is shut, and time that went by meanwhile is no credit', async (t) => {
  const { time, gate, passed } = make(10_000);
  await time.advance(100);
  gate.shut();
  const { bytes } = passed;
  await time.advance(10_000);
  t.is(passed.bytes, bytes);
  gate.open();
  await time.advance(1000);
  t.true(passed.bytes - bytes <= 10_600, String(passed.bytes - bytes));
});

test('its end lets everybody go, those too who stand before it while it is shut', async (t) => {
  const { time, gate, passed } = make(10_000);
  gate.shut();
  gate.end();
  await time.advance(0);
  t.is(passed.ended, 8);
});

test('nothing passes before the time that it is held for', async (t) => {
  const { time, gate, passed } = make(1);
  await time.advance(0);
  gate.hold(5000);
  gate.setRate(1);
  await time.advance(0);
  t.is(passed.bytes, 200);
  gate.hold(5000);
  await time.advance(4000);
  t.is(passed.bytes, 200);
});
