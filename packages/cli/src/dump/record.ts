import type { PoolInspection, RecordRow } from '@ashlar/store';
import { Rows } from './rows.ts';
import { bitsOf, ranges, readable } from './words.ts';

function fieldsOf({ kind, numbers, key, name, value }: RecordRow): object {
  const [first, second, third] = numbers;
  const damaged = value === undefined ? { damaged: true } : {};
  switch (kind) {
    case 'pool':
    case 'scrub':
    case 'commit':
      return { kind, value, ...damaged };
    case 'store':
      return { kind, store: first, value, ...damaged };
    case 'object':
      return { kind, store: first, object: second, value, ...damaged };
    case 'kept':
      return { kind, store: first, object: second, snapshot: third, value, ...damaged };
    case 'snapshot':
      return { kind, store: first, snapshot: second, value, ...damaged };
    case 'dead':
      return { kind, number: first, value, ...damaged };
    case 'slots':
    case 'pages':
      return { kind, index: first, ...(value === undefined ? damaged : used(first ?? 0, value as Uint8Array)) };
    case 'record':
      return {
        kind,
        store: first,
        name: readable(name),
        ...(value === undefined ? damaged : { value: readable(value as Uint8Array) }),
      };
    default:
      return {
        kind,
        key: readable(key),
        ...(value === undefined ? damaged : { value: readable(value as Uint8Array) }),
      };
  }
}

/** The slots or pages that a bitmap says are in use. */
function used(index: number, bitmap: Uint8Array): object {
  const first = index * bitmap.length * 8;
  const numbers = [...bitsOf(bitmap, 8)].map((bit) => first + bit);
  return { count: numbers.length, used: ranges(numbers) };
}

function textOf(row: RecordRow): string {
  const { kind, ...fields } = fieldsOf(row) as Record<string, unknown>;
  const words = Object.entries(fields).filter(([, value]) => value !== undefined);
  return [
    kind,
    ...words.map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`),
  ].join(' ');
}

/** Every record of the database as the last checkpoint committed it. */
export function dumpRecords(inspection: PoolInspection, json: boolean | undefined): void {
  const rows = new Rows(json, {}, 'records', '');
  for (const row of inspection.records()) rows.add(fieldsOf(row), textOf(row));
  rows.end('the database is empty');
}
