import { basename } from 'node:path';
import type { JournalFrame, JournalFrameRecord, PoolInspection } from '@ashlar/store';
import { Rows } from './rows.ts';
import { hex, ranges, readable } from './words.ts';

const blockBytes = 4096;

/** What a record says, in a shape that JSON has. */
function recordRow({ record, damaged }: JournalFrameRecord): object {
  switch (record.kind) {
    case 'data': {
      const { kind, store, sequence, object, offset, checksums } = record;
      const length = checksums.length * blockBytes;
      const fields = { store, sequence, kind, object, offset, length };
      return { ...fields, checksums: [...checksums].map(hex), ...damage(damaged) };
    }
    case 'slots': {
      const { checksums, ...fields } = record;
      return { ...fields, blocks: checksums.length, checksums: [...checksums].map(hex), ...damage(damaged) };
    }
    case 'batch': {
      const changes = record.changes.map(({ key, value }) => ({
        key: readable(key),
        value: value === null ? null : readable(value),
      }));
      return { ...record, changes };
    }
    default:
      return record;
  }
}

function damage(blocks: readonly number[]): object {
  return blocks.length === 0 ? {} : { damagedBlocks: blocks };
}

function recordText(found: JournalFrameRecord): string {
  const { kind, damagedBlocks, changes, ...fields } = recordRow(found) as Record<string, unknown>;
  const words = Object.entries(fields)
    .filter(([name]) => name !== 'checksums')
    .map(([name, value]) => `${name} ${String(value)}`);
  if (changes !== undefined) words.push(JSON.stringify(changes));
  if (damagedBlocks !== undefined) words.push(`DAMAGED blocks ${ranges(damagedBlocks as number[])}`);
  return `  ${String(kind)} ${words.join(' ')}`;
}

function frameText(frame: JournalFrame): string {
  const { number, segment, offset, headerBytes, dataBlocks, durable, isTaken, isMended, records } = frame;
  const place = `${basename(segment)} at ${offset}`;
  const head = `frame ${number}: ${place}, ${headerBytes} bytes of header, ${dataBlocks} blocks, durable up to ${durable}`;
  return [
    `${head}${isMended ? ', its header DAMAGED and known from the next' : ''}${isTaken ? '' : ', not taken over'}`,
    ...records.map(recordText),
  ].join('\n');
}

/** The frames behind the last checkpoint: what the next start brings home. */
export async function dumpJournal(inspection: PoolInspection, json: boolean | undefined): Promise<void> {
  const journal = await inspection.journal();
  const generations = inspection.history.map(({ generation, number, until }) => ({
    generation,
    first: number,
    end: Number.isFinite(until) ? until : null,
  }));
  const [oldest, ...later] = generations;
  const holes = journal.holes();
  const facts = { generations, durable: journal.durable, cutSegments: journal.cutSegments, holes };
  const text = [
    `the last checkpoint holds everything before frame ${oldest?.first} of generation ${oldest?.generation}`,
    ...later.map(({ generation, first }) => `a recovery went on with frame ${first} in generation ${generation}`),
    ...holes.map(({ first, end }) => `MISSING: frames ${ranges([first, end - 1])}, which had been promised`),
    ...(journal.cutSegments > 0 ? [`CUT: ${journal.cutSegments} segments are shorter than they were made`] : []),
  ].join('\n');
  const rows = new Rows(json, facts, 'frames', text);
  for (const frame of journal.frames()) {
    const { checksum, previous, records, ...fields } = frame;
    const row = { ...fields, checksum: hex(checksum), previous: hex(previous), records: records.map(recordRow) };
    rows.add(row, frameText(frame));
  }
  rows.end('the journal holds nothing behind it');
}
