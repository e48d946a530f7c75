import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';

const command = fileURLToPath(new URL('main.ts', import.meta.url));
const broken = ['--break', 'flush-skips-data'];

function simulate(...options: string[]): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...options], { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

function directory(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'ashlar-simulator-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

test('many histories are run by several workers, and what is wrong with none ends with 0', (t) => {
  const { status, output } = simulate('--count', '6', '--operations', '40', '--workers', '2');
  t.is(status, 0, output);
  t.regex(output, /^6 histories with \d+ crashes: nothing wrong$/m);
});

test('of those that went wrong it says how to replay them, and ends with 1', (t) => {
  const { status, output } = simulate('--count', '12', ...broken);
  t.is(status, 1, output);
  t.regex(output, /of 12 histories went wrong/);
  t.regex(output, /^npm run simulate -- --seed \d+ --shrink --break flush-skips-data$/m);
});

test('a history that fails is cut to a few operations, saved, and run again from its file', (t) => {
  const stale = ['--break', 'stale-slot-shown'];
  const file = join(directory(t), 'history.json');
  const seed = /^npm run simulate -- --seed (\d+)/m.exec(simulate('--count', '12', ...stale).output)?.[1] ?? '';
  const cut = simulate('--seed', seed, ...stale, '--shrink', '--save', file);
  t.is(cut.status, 1, cut.output);
  const { operations } = JSON.parse(readFileSync(file, 'utf8')) as { operations: number[] };
  t.true(operations.length < 40, `${operations.length} operations are left`);
  const sentence = new RegExp(`^seed ${seed}: (.*)$`, 'm').exec(cut.output)?.[1];
  const again = simulate('--history', file);
  t.is(again.status, 1, again.output);
  t.true(sentence !== undefined && again.output.includes(sentence), again.output);
});

test('a file that is no history is refused in a sentence', (t) => {
  const file = join(directory(t), 'other.json');
  writeFileSync(file, '{"seed": 1}');
  const { status, output } = simulate('--history', file);
  t.is(status, 1);
  t.regex(output, /is not a history that was saved/);
});
