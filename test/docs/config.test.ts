import { readFileSync } from 'node:fs';
import { configKeys, loadConfig } from '@ashlar/server';
import test from 'ava';

const page = readFileSync(new URL('../../docs/config.md', import.meta.url), 'utf8');

const units = [
  [2 ** 30, 'G'],
  [2 ** 20, 'M'],
  [2 ** 10, 'K'],
] as const;

const inFile = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** A default as the file would have it; sizes as people write them. */
function written(key: string, value: unknown): string {
  if (value === undefined) return '—';
  if (typeof value !== 'number' || !key.endsWith('-size')) return `\`${JSON.stringify(value)}\``;
  const [unit, letter] = units.find(([bytes]) => value % bytes === 0)!;
  return `\`"${value / unit}${letter}"\``;
}

/** The rows of the page's tables as cells. */
function rows(): readonly (readonly string[])[] {
  const lines = page.split('\n').filter((line) => line.startsWith('| `'));
  return lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

test('docs/config.md has every key with its variable, default and meaning, and no other', (t) => {
  const { config } = loadConfig({ file: '/dev/null', environment: {} });
  const expected = configKeys.map(({ path, help }) => {
    const key = path.map(inFile).join('.');
    const variable = `ASHLAR_${key.replaceAll(/[.-]/g, '_').toUpperCase()}`;
    const value = path.reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], config);
    return [`\`${key}\``, `\`${variable}\``, written(key, value), help];
  });
  t.deepEqual(rows(), expected);
});
