import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { MiB } from '@ashlar/core';
import type { ScrubView, StatusView } from './index.ts';
import { bySocket, directory, json, running, start, type Running } from './running.ts';

const path = '/v1/scrub';

async function act(up: Running, action: string, bytesPerSecond?: number | null): Promise<ScrubView> {
  const body = { action, ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }) };
  const answer = await bySocket(up, 'POST', path, body);
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
  return json<ScrubView>(answer);
}

const shown = async (up: Running): Promise<ScrubView> => json<ScrubView>(await bySocket(up, 'GET', path));

async function ended(up: Running): Promise<ScrubView> {
  for (;;) {
    const view = await shown(up);
    if (view.state !== 'running') return view;
    await delay(20);
  }
}

async function metric(up: Running, name: string): Promise<number> {
  const { text } = await bySocket(up, 'GET', '/metrics');
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

test('a scrub is begun, paused, shown, resumed, and its end stays on record over a restart', async (t) => {
  const data = `${directory(t)}/data`;
  const up = await start(data, '', [{ name: 'demo', sizeBytes: MiB }]);
  t.like(json<StatusView>(await bySocket(up, 'GET', '/v1/status')).scrub, { state: 'never', interruptions: 0 });
  await act(up, 'start', 1);
  t.like(await act(up, 'pause'), { state: 'paused', bytesPerSecond: 1 });
  t.is(await metric(up, 'ashlar_scrub_paused'), 1);
  t.is(await metric(up, 'ashlar_scrub_limit_bytes_per_second'), 1);
  t.is(await metric(up, 'ashlar_scrub_ended_seconds'), 0);
  t.like(await act(up, 'resume', null), { state: 'running' });
  const done = await ended(up);
  t.like(done, { state: 'done', damagedBytes: 0, damagedPages: 0, findings: [] });
  t.true((done.records?.records ?? 0) > 0);
  t.is(done.records?.damaged, 0);
  t.is(await metric(up, 'ashlar_scrub_ended_seconds'), Date.parse(done.completed ?? '') / 1000);
  await up.server.stop();
  const again = await start(data);
  t.deepEqual(await shown(again), done);
  const { findings, ...last } = done;
  t.deepEqual(json<StatusView>(await bySocket(again, 'GET', '/v1/status')).scrub, last);
  t.deepEqual(findings, []);
  await again.server.stop();
});

test('what there is nothing for is refused: 404 for none, 409 for one that is so already', async (t) => {
  const up = await running(t);
  for (const action of ['pause', 'resume', 'stop', 'rate']) {
    t.is((await bySocket(up, 'POST', path, { action })).status, 404, action);
  }
  await act(up, 'start', 1);
  for (const action of ['start', 'resume']) {
    t.is((await bySocket(up, 'POST', path, { action })).status, 409, action);
  }
  await act(up, 'pause');
  const { status, text } = await bySocket(up, 'POST', path, { action: 'pause' });
  t.is(status, 409);
  t.regex(text, /paused already: 'ashlar scrub resume'/);
  t.like(await act(up, 'stop'), { state: 'stopped' });
});

test('one that says nothing of its rate has the configured one, which a reload changes while it runs', async (t) => {
  const up = await running(t, '[scrub]\nrate = 1\n');
  t.like(await act(up, 'start'), { state: 'running', bytesPerSecond: 1 });
  writeFileSync(up.file, '[scrub]\nrate = "2M"\nevery-days = 7\n[log]\nlevel = "silent"\n');
  const { text } = await bySocket(up, 'POST', '/v1/reload', {});
  t.deepEqual(JSON.parse(text), { applied: ['scrub.every-days', 'scrub.rate', 'log.level'], needRestart: [] });
  while ((await shown(up)).bytesPerSecond !== 2 * MiB) await delay(5);
  t.is((await act(up, 'rate', null)).bytesPerSecond, undefined);
  t.is((await ended(up)).state, 'done');
});
