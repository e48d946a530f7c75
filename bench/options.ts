import { parseArgs } from 'node:util';
import { rows, volumeKinds } from './rows.ts';
import { fullScale, quickScale, type Scale } from './scale.ts';

export type Options = {
  readonly scale: Scale;
  /** Names of what is measured, or beginnings of names; everything where there are none. */
  readonly only: readonly string[];
  /** Where the results go. */
  readonly out: string;
  /** Where the servers' files go; tmpfs where the volume is in memory. */
  readonly directory: string | undefined;
  readonly list: boolean;
};

const specialRows = [
  'steady',
  'footprint',
  'start',
  'snapshots',
  'mapped',
  'scrub',
  'compression',
  'qcow2',
  'device',
  'nfs',
  'nfs-sync',
  'convert',
  'simulator',
] as const;

export const rowNames: readonly string[] = [
  ...volumeKinds.flatMap((kind) => rows.map(({ name }) => `${kind}/${name}`)),
  ...specialRows,
];

export const usage = `npm run bench -- nbd [options]
  --quick        everything small and short: shows that it works
  --only ROWS    names or beginnings of names, separated by commas: warm, memory/randread, steady
  --pairs N      rounds (5, or 1 with --quick)
  --others N     the same of the table's rows without a floor (3, at most as many as --pairs; 0 leaves them out)
  --out DIR      where the table, the JSON and the plot go (bench/results)
  --dir DIR      where the servers keep their files (the system's temporary directory)
  --list         prints the names of the rows
`;

function rounds(option: string, value: string | undefined, least = 1): number | undefined {
  if (value === undefined) return undefined;
  const count = Number(value);
  if (value !== '' && Number.isInteger(count) && count >= least) return count;
  throw new Error(`${option} is a number from ${least}`);
}

/** Throws a sentence for what cannot be understood. */
export function parseOptions(words: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      pairs: { type: 'string' },
      others: { type: 'string' },
      out: { type: 'string', default: 'bench/results' },
      dir: { type: 'string' },
      list: { type: 'boolean', default: false },
    },
  });
  if (positionals.length !== 1 || positionals[0] !== 'nbd') throw new Error('say what to measure: nbd');
  const only = values.only.split(',').filter((name) => name !== '');
  const unknown = only.find((name) => !rowNames.some((row) => row.startsWith(name)));
  if (unknown !== undefined) throw new Error(`no row is called ${unknown}: --list prints them`);
  const pairs = rounds('--pairs', values.pairs);
  const others = rounds('--others', values.others, 0);
  return {
    scale: values.quick ? quickScale(pairs, others) : fullScale(pairs, others),
    only,
    out: values.out,
    directory: values.dir,
    list: values.list,
  };
}

/** Whether a row is asked for. A quick run without a choice measures the rows of the table that Ashlar must reach. */
export function isWanted({ only, scale }: Options, name: string, isTarget: boolean): boolean {
  return only.length === 0 ? !scale.quick || isTarget : only.some((each) => means(each, name));
}

/** The name of a row means that row and not those whose names go on after it. */
const means = (asked: string, name: string): boolean =>
  rowNames.includes(asked) ? name === asked : name.startsWith(asked);
