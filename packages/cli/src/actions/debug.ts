import { withInspection } from '../check/open-offline.ts';
import { dumpJournal } from '../dump/journal.ts';
import { dumpMap } from '../dump/map.ts';
import { dumpRecords } from '../dump/record.ts';
import { dumpSlot } from '../dump/slot.ts';

type Options = { readonly data?: string; readonly json?: boolean };

const dataOf = ({ data }: Options): string => data ?? process.env['ASHLAR_DATA'] ?? 'ashlar-data';

export const journal = (options: Options): Promise<void> =>
  withInspection(dataOf(options), (inspection) => dumpJournal(inspection, options.json));

export const map = (volume: string, options: Options): Promise<void> =>
  withInspection(dataOf(options), (inspection) => dumpMap(inspection, volume, options.json));

export const slot = (number: number, options: Options): Promise<void> =>
  withInspection(dataOf(options), (inspection) => dumpSlot(inspection, number, options.json));

export const record = (options: Options): Promise<void> =>
  withInspection(dataOf(options), async (inspection) => dumpRecords(inspection, options.json));
