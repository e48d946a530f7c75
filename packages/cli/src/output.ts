import { formatSize } from '@ashlar/core';
import Table from 'cli-table3';

export type Column<T> = {
  readonly title: string;
  readonly text: (row: T) => string;
  readonly right?: boolean;
};

const bare = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

/** Rows as aligned columns, without lines, so that awk reads them as well. */
export function table<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const made = new Table({
    head: columns.map(({ title }) => title),
    colAligns: columns.map(({ right }) => (right === true ? 'right' : 'left')),
    chars: bare,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) made.push(columns.map(({ text }) => text(row)));
  return made
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Names and values, a line each. */
export function facts(pairs: readonly (readonly [string, string | undefined])[]): string {
  const shown = pairs.filter((pair): pair is [string, string] => pair[1] !== undefined);
  const width = Math.max(...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** `--json`: the value as the API gives it; else what `text` makes of it. */
export function show<T>(json: boolean | undefined, value: T, text: (value: T) => string): void {
  print(json === true ? JSON.stringify(value, null, 2) : text(value));
}

/** For people and to the byte; nothing where it is not known. */
export function sizeText(bytes: number | undefined): string | undefined {
  return bytes === undefined ? undefined : `${formatSize(bytes)} (${bytes} bytes)`;
}
