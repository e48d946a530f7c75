import type { RecordChange } from '@ashlar/core';
import type { SeededRandom } from '@ashlar/testing';
import type { LedgerLine } from './directory-ledger.ts';

type RecordLine = Extract<LedgerLine, { readonly kind: 'record' }>;

/** Records that a pool on another disk keeps: in memory, and told of to whoever writes them down. */
export class KeptRecords {
  readonly #values: Map<string, Uint8Array>;
  readonly #note: (key: string, value: string | null, durable: boolean) => void;

  constructor(
    note: (key: string, value: string | null, durable: boolean) => void,
    values = new Map<string, Uint8Array>(),
  ) {
    this.#values = values;
    this.#note = note;
  }

  commit(changes: readonly RecordChange[], durable: boolean): void {
    for (const { key, value } of changes) {
      const [name, bytes] = [hex(key), value === null ? null : hex(value)];
      this.#note(name, bytes, durable);
      apply(this.#values, name, bytes);
    }
  }

  getRecord(key: Uint8Array): Uint8Array | undefined {
    return this.#values.get(hex(key));
  }

  scanRecords(from: Uint8Array, to: Uint8Array, limit: number): { key: Uint8Array; value: Uint8Array }[] {
    return [...this.#values]
      .filter(([name]) => name >= hex(from) && name < hex(to))
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .slice(0, limit)
      .map(([name, value]) => ({ key: Buffer.from(name, 'hex'), value }));
  }
}

/** What such a pool has after a cut: all that was promised until then, and of what came since some that came first. */
export function recordsAfter(lines: readonly LedgerLine[], cut: number, random: SeededRandom): KeptRecords {
  const before = lines.filter((line): line is RecordLine => line.kind === 'record' && line.at <= cut);
  const least = before.findLastIndex(({ durable }) => durable) + 1;
  const values = new Map<string, Uint8Array>();
  for (const { key, value } of before.slice(0, random.between(least, before.length))) apply(values, key, value);
  return new KeptRecords(() => {}, values);
}

function apply(values: Map<string, Uint8Array>, name: string, value: string | null): void {
  if (value === null) values.delete(name);
  else values.set(name, Buffer.from(value, 'hex'));
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
