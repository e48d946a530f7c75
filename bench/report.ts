import { execFileSync } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';
import { formatSize, GiB } from '@ashlar/core';
import { verdict, type Figure } from './figure.ts';
import { ratioTargets, type Target } from './rows.ts';
import { cores, type Scale } from './scale.ts';
import { median, medianRatio } from './statistics.ts';
import type { RowResult, Turn } from './table-rows.ts';

export type Measured = { readonly rows: readonly RowResult[]; readonly figures: readonly Figure[] };

const rates = (turns: readonly Turn[]): number[] => turns.map((turn) => turn.operationsPerSecond);

/** Ashlar's ratio to each peer of a row, by name. */
function ratios({ turns }: RowResult): Map<string, number> {
  const ours = rates(turns.get('ashlar') ?? []);
  const peers = [...turns].filter(([name]) => name !== 'ashlar');
  return new Map(peers.map(([name, theirs]) => [name, medianRatio(ours, rates(theirs))]));
}

function figureOf({ title, to, floor, aim }: Target, row: RowResult): Figure | undefined {
  const found = ratios(row);
  const [best] = [...found].toSorted(([, a], [, b]) => a - b);
  const peer = to === 'best' ? best?.[0] : to;
  const value = peer === undefined ? undefined : found.get(peer);
  if (value === undefined) return undefined;
  const name = to === 'best' ? `${title}, to the best (${peer})` : `${title}, to ${peer}`;
  return { name, value, unit: 'x', floor, aim };
}

/** The lines of the table that Ashlar must reach whose rows were measured. */
export function ratioFigures(rows: readonly RowResult[]): Figure[] {
  return ratioTargets.flatMap((target) => {
    const row = rows.find(({ name }) => name === target.row);
    const figure = row === undefined ? undefined : figureOf(target, row);
    return figure === undefined ? [] : [figure];
  });
}

const number = (value: number): string =>
  value >= 100 ? String(Math.round(value)) : Number.isNaN(value) ? '—' : String(Number(value.toPrecision(3)));

function table(header: readonly string[], lines: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [row(header), row(header.map(() => '---')), ...lines.map(row)].join('\n');
}

const unitText: Readonly<Record<Figure['unit'], string>> = {
  x: '×',
  'a minute': ' a minute',
  s: ' s',
  MiB: ' MiB',
  times: ' times',
};

function mustReach(figures: readonly Figure[]): string {
  const lines = figures.map((figure) => {
    const { name, value, unit, floor, aim, note } = figure;
    const shown = [value, floor, aim].map((each) => `${number(each)}${unitText[unit]}`);
    return [note === undefined ? name : `${name} (${note})`, ...shown, verdict(figure)];
  });
  return table(['what', 'measured', 'floor', 'aim', 'verdict'], lines);
}

function ratioTable(rows: readonly RowResult[]): string {
  const peers = [...(rows[0]?.turns.keys() ?? [])].filter((name) => name !== 'ashlar');
  const lines = rows.map((row) => {
    const found = ratios(row);
    const ours = row.turns.get('ashlar') ?? [];
    const latency = ours.map(({ medianMicros }) => medianMicros);
    const tail = ours.map(({ p999Micros }) => p999Micros);
    return [
      row.name,
      number(median(rates(ours))),
      ...peers.map((peer) => number(found.get(peer) ?? Number.NaN)),
      `${number(median(latency))} / ${number(median(tail))}`,
    ];
  });
  return table(['row', 'ashlar, operations/s', ...peers.map((peer) => `to ${peer}`), 'p50 / p99.9, µs'], lines);
}

function costs(turns: readonly Turn[]): { perGiB: number; per100k: number; peakBytes: number } {
  return {
    perGiB: median(turns.map(({ processorSeconds, bytes }) => processorSeconds / (bytes / GiB))),
    per100k: median(turns.map(({ processorSeconds, operations }) => processorSeconds / (operations / 1e5))),
    peakBytes: Math.max(...turns.map(({ peakBytes }) => peakBytes)),
  };
}

function costTable(rows: readonly RowResult[]): string {
  const servers = [...(rows[0]?.turns.keys() ?? [])];
  const lines = rows.map(({ name, turns }) => {
    const cells = servers.map((server) => {
      const { perGiB, per100k, peakBytes } = costs(turns.get(server) ?? []);
      return `${number(perGiB)} / ${number(per100k)} / ${formatSize(peakBytes)}`;
    });
    return [name, ...cells];
  });
  return table(['row', ...servers], lines);
}

function firstLine(command: string, ...options: string[]): string {
  try {
    return execFileSync(command, options, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n')[0]!;
  } catch {
    return '—';
  }
}

/** What the figures were measured on. */
function machine(): Readonly<Record<string, string>> {
  return {
    commit: firstLine('git', 'rev-parse', '--short', 'HEAD'),
    processor: `${cpus()[0]?.model ?? '—'}, ${cores} cores`,
    memory: formatSize(totalmem()),
    kernel: release(),
    node: process.version,
    nbdkit: firstLine('nbdkit', '--version'),
    'qemu-nbd': firstLine('qemu-nbd', '--version'),
    'nbd-server': firstLine('dpkg-query', '-W', '-f=${Version}', 'nbd-server'),
    fio: firstLine('fio', '--version'),
  };
}

const kindOf = ({ name }: RowResult): string => name.split('/')[0]!;

/** The whole report as Markdown. */
export function markdown({ rows, figures }: Measured, scale: Scale): string {
  const kinds = [...new Set(rows.map(kindOf))];
  const parts = [
    '# NBD benchmark',
    scale.quick ? 'A quick run: it shows that everything works, and its figures mean little.' : '',
    `Ratios are Ashlar's operations a second to the peer's in the same round; the median of ${scale.pairs} rounds${scale.otherPairs === 0 ? '; rows without a floor are left out' : `, of ${scale.otherPairs} in rows without a floor`}.`,
    table(['', ''], Object.entries(machine())),
    figures.length === 0 ? '' : `## It must reach\n\n${mustReach(figures)}`,
    ...kinds.flatMap((kind) => {
      const own = rows.filter((row) => kindOf(row) === kind);
      return [
        `## Volume: ${kind}`,
        ratioTable(own),
        'Processor seconds of the server per GiB / per 100,000 operations / its most memory:',
        costTable(own),
      ];
    }),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

/** Everything that was measured, turn by turn. */
export function json({ rows, figures }: Measured, scale: Scale): string {
  const measured = {
    machine: machine(),
    scale,
    figures: figures.map((figure) => ({ ...figure, verdict: verdict(figure) })),
    rows: rows.map(({ name, turns }) => ({ name, turns: Object.fromEntries(turns) })),
  };
  return `${JSON.stringify(measured, undefined, 2)}\n`;
}
