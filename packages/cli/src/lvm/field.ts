import type { Row } from './rows.ts';

/** Sizes in the units of a report. */
export type ShowSize = (bytes: number) => string;

/** A column of a report. */
export type Field = {
  readonly name: string;
  readonly heading: string;
  readonly align: 'left' | 'right';
  /** Characters that it takes at least, whatever it says. */
  readonly width: number;
  text(row: Row, size: ShowSize): string;
  /** What rows are sorted by. */
  order(row: Row): string | number;
};

/** Columns that LVM makes wider than their headings. */
const widths: Readonly<Record<string, number>> = {
  vg_permissions: 10,
  vg_exported: 10,
  vg_partial: 10,
  vg_allocation_policy: 10,
  vg_clustered: 10,
  vg_shared: 7,
  vg_mda_free: 9,
  vg_mda_size: 9,
  pv_name: 10,
  pv_mda_free: 9,
  pv_mda_size: 9,
  pe_start: 7,
  pv_exported: 10,
  pv_missing: 10,
  pv_pe_count: 3,
  lv_name: 4,
  lv_fixed_minor: 10,
  lv_when_full: 15,
  lv_time: 26,
  lv_host: 10,
  data_percent: 6,
  snap_percent: 6,
  metadata_percent: 6,
};

const widthOf = (name: string): number => widths[name] ?? 0;

export function words(name: string, heading: string, found: (row: Row) => string | undefined): Field {
  return {
    name,
    heading,
    align: 'left',
    width: widthOf(name),
    text: (row) => found(row) ?? '',
    order: (row) => found(row) ?? '',
  };
}

export function count(name: string, heading: string, found: (row: Row) => number | undefined): Field {
  return {
    name,
    heading,
    align: 'right',
    width: widthOf(name),
    text: (row) => found(row)?.toString() ?? '',
    order: (row) => found(row) ?? -1,
  };
}

/** Bytes. */
export function size(name: string, heading: string, found: (row: Row) => number | undefined): Field {
  const shown = (bytes: number | undefined, show: ShowSize): string => (bytes === undefined ? '' : show(bytes));
  return {
    name,
    heading,
    align: 'right',
    width: widthOf(name),
    text: (row, show) => shown(found(row), show),
    order: (row) => found(row) ?? -1,
  };
}

/** A percentage or another number that only the kernel knows of a volume that is in use. */
export const inUse = (name: string, heading: string): Field => ({
  name,
  heading,
  align: 'right',
  width: widthOf(name),
  text: () => '',
  order: () => '',
});

/** LVM sorts what it lists. */
export const listed = (names: readonly string[]): string => [...names].sort().join(',');

/** A word where something is so. */
export const flag = (name: string, heading: string, word: string, is: (row: Row) => boolean): Field =>
  words(name, heading, (row) => (is(row) ? word : ''));

/** Words that stand at the right of their column. */
export const atRight = (field: Field): Field => ({ ...field, align: 'right' });
