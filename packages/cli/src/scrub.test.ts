import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { KiB } from '@ashlar/core';
import { openNbd } from '@ashlar/nbd';
import test, { type ExecutionContext } from 'ava';
import { madeOnce, serve, serveIn, type Ended } from './command.ts';
import { run } from './hosted.ts';

type Scrub = { readonly state: string; readonly bytesPerSecond?: number; readonly completed?: string };

const scrub = (data: string, ...words: string[]): Promise<Ended> => run(['scrub', ...words, '--data', data]);
const last = async (data: string): Promise<Scrub> => JSON.parse((await scrub(data, 'status', '--json')).out) as Scrub;

/** The data directory of a server that was stopped, with 64 KiB in a volume. */
const written = madeOnce(test, async (data) => {
  const { child, gone } = await serveIn(data, ['--volume', 'demo:1G']);
  const device = await openNbd(`nbd+unix:///demo?socket=${join(data, 'nbd.sock')}`, { reconnectMs: 0 });
  await device.write(0, new Uint8Array(64 * KiB).fill(1), true);
  await device.close();
  child.kill('SIGTERM');
  await gone;
});

/** A server that is stopped with the test. */
async function serveAgain(t: ExecutionContext, data: string): Promise<void> {
  const { child, gone } = await serveIn(data);
  t.teardown(async () => {
    child.kill('SIGTERM');
    await gone;
  });
}

test('a scrub is begun, slowed down, paused, shown and resumed by the command line', async (t) => {
  const data = await written(t);
  await serveAgain(t, data);
  t.is((await scrub(data, 'status')).out, "no scrub yet: begin one with 'ashlar scrub start'\n");
  t.regex((await run(['status', '--data', data])).out, /^scrub +never$/m);
  t.regex((await scrub(data, 'start', '--rate', '1')).out, /^state +running\n[^]*^rate +at most 1 B a second$/m);
  t.like(JSON.parse((await scrub(data, 'rate', '2', '--json')).out), { state: 'running', bytesPerSecond: 2 });
  t.regex((await scrub(data, 'pause')).out, /^state +paused$/m);
  t.regex(
    (await run(['status', '--data', data])).out,
    /^scrub +paused since \S+, 0 B of at most 256 KiB read, nothing damaged$/m,
  );
  t.is((await scrub(data, 'resume', '--rate', 'off')).status, 0);
  while ((await last(data)).state === 'running') continue;
  const { state, completed } = await last(data);
  t.is(state, 'done');
  t.regex(
    (await run(['status', '--data', data])).out,
    new RegExp(`^scrub +done ${completed}, 64 KiB read, nothing damaged$`, 'm'),
  );
  t.regex((await scrub(data, 'status')).out, /^records +\d+ looked at$/m);
});

test('where there is nothing to pause the sentence says what to type, with status 1', async (t) => {
  const { data } = await serve(t);
  for (const words of [['pause'], ['resume'], ['stop'], ['rate', '1M']]) {
    const { status, errors } = await scrub(data, ...words);
    t.is(status, 1, words[0]);
    t.regex(errors, /^ashlar: no scrub is under way, so there is none to .*: 'ashlar scrub start' begins one\n$/);
  }
  const { status, errors } = await scrub(data, 'rate', '0');
  t.is(status, 2);
  t.regex(errors, /a rate is above 0, such as 100M, or 'off'/);
});

test('one that finds damage says where, ends with status 1, and is shown by status until the next', async (t) => {
  const data = await written(t);
  const file = openSync(join(data, 'pool/data/000000'), 'r+');
  writeSync(file, 'damage', 4 * KiB);
  closeSync(file);
  await serveAgain(t, data);
  const { status, out } = await scrub(data, 'start', '--wait');
  t.is(status, 1);
  t.regex(out, /^damaged +4 KiB\n {2}volume demo: 4096 bytes at 4096$/m);
  const shown = (await run(['status', '--data', data])).out;
  t.regex(shown, new RegExp(`^scrub +done \\S+, 64 KiB read, 4 KiB damaged: run 'ashlar scrub status'$`, 'm'));
});
