import { AshlarError } from '@ashlar/core';
import type { Field, ShowSize } from './field.ts';
import type { Row } from './rows.ts';
import { sizeText, type Units } from './units.ts';

export type ReportSettings = {
  /** What a report is of, as JSON names it. */
  readonly of: 'pv' | 'vg' | 'lv';
  readonly fields: readonly Field[];
  readonly units: Units;
  readonly format: 'basic' | 'json';
  readonly headings: boolean;
  readonly separator: string | undefined;
  readonly aligned: boolean;
};

/** The columns that `-o vg_all` and the like stand for. */
export type Sections = Readonly<Record<string, readonly Field[]>>;

/** Which columns a report has: those that it has by itself, with what `-o` adds, takes away or says in their place. Throws `invalid`. */
export function chosenFields(
  known: readonly Field[],
  sections: Sections,
  usual: readonly string[],
  prefix: string,
  wanted: readonly string[],
): readonly Field[] {
  const find = (name: string): Field => {
    const found = known.find((field) => field.name === name || field.name === `${prefix}_${name}`);
    if (found === undefined) throw new AshlarError('invalid', `Unrecognised field: ${name}`);
    return found;
  };
  const all = (name: string): readonly Field[] => {
    if (name === 'all') return known;
    return sections[name] ?? [find(name)];
  };
  let chosen: readonly Field[] = usual.map(find);
  for (const text of wanted) {
    const [, sign = '', names = ''] = /^([+#-]?)(.*)$/.exec(text)!;
    const given = names
      .split(',')
      .filter((name) => name !== '')
      .flatMap(all);
    if (sign === '+') chosen = [...chosen, ...given.filter((field) => !chosen.includes(field))];
    else if (sign === '-') chosen = chosen.filter((field) => !given.includes(field));
    else chosen = given;
  }
  return chosen;
}

/** Sorts by fields, each `NAME` or `-NAME` for the other direction. */
export function sorted(rows: readonly Row[], known: readonly Field[], keys: readonly string[]): Row[] {
  const fields = keys.map((key) => {
    const name = key.replace(/^[+-]/, '');
    const found = known.find((field) => field.name === name);
    if (found === undefined) throw new AshlarError('invalid', `Unrecognised field: ${name}`);
    return { found, sign: key.startsWith('-') ? -1 : 1 };
  });
  return [...rows].sort((one, other) => {
    for (const { found, sign } of fields) {
      const a = found.order(one);
      const b = found.order(other);
      if (a !== b) return a < b ? -sign : sign;
    }
    return 0;
  });
}

/** A report as LVM prints it, without the end of its last line. */
export function reportText(rows: readonly Row[], settings: ReportSettings): string {
  const { fields, format, units } = settings;
  const show: ShowSize = (bytes) => sizeText(bytes, units);
  const cells = rows.map((row) => fields.map((field) => field.text(row, show)));
  return format === 'json' ? jsonText(cells, settings) : tableText(cells, settings);
}

function tableText(cells: readonly (readonly string[])[], settings: ReportSettings): string {
  const { aligned, fields, headings, separator } = settings;
  const lines = headings && cells.length > 0 ? [fields.map(({ heading }) => heading), ...cells] : cells;
  if (separator !== undefined && !aligned) return lines.map((line) => `  ${line.join(separator)}`).join('\n');
  const widths = fields.map(({ heading, width }, at) =>
    cells.reduce((most, line) => Math.max(most, line[at]!.length), Math.max(width, heading.length)),
  );
  return lines
    .map((line, index) => {
      const isHeading = headings && index === 0;
      const padded = line.map((text, at) => {
        const isRight = fields[at]!.align === 'right' && !isHeading;
        return isRight ? text.padStart(widths[at]!) : text.padEnd(widths[at]!);
      });
      return `  ${padded.join(separator ?? ' ')}`;
    })
    .join('\n');
}

const quoted = (text: string): string => `"${text.replaceAll(/["\\]/g, '\\$&')}"`;

/** Laid out as LVM does: a line a row, and a name with each value, all of them strings. */
function jsonText(cells: readonly (readonly string[])[], { fields, of }: ReportSettings): string {
  const rows = cells.map((line) => {
    const pairs = line.map((text, at) => `${quoted(fields[at]!.name)}:${quoted(text)}`);
    return `                  {${pairs.join(', ')}}`;
  });
  return [
    '  {',
    '      "report": [',
    '          {',
    `              "${of}": [`,
    ...(rows.length === 0 ? [] : [rows.join(',\n')]),
    '              ]',
    '          }',
    '      ]',
    '  }',
  ].join('\n');
}
