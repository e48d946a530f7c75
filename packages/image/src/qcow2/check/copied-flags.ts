import { isPromise } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import { Entries, isTableCopied, putTableOffset, tableOffsetAt } from '../entry.ts';
import type { Geometry } from '../geometry.ts';
import { incompatible, type Qcow2Header } from '../header.ts';
import { tableAt } from '../stored.ts';
import { hex, type CheckRepair, type Findings } from './findings.ts';
import type { StoredRefcounts } from './stored-refcounts.ts';

export type FlagParts = {
  readonly path: string;
  readonly file: HostFile;
  readonly header: Qcow2Header;
  readonly geometry: Geometry;
  readonly stored: StoredRefcounts;
  readonly findings: Findings;
};

/** Whether each entry of the image's tables says rightly that nobody else refers to its cluster. */
export async function checkCopiedFlags(parts: FlagParts, repair: CheckRepair): Promise<void> {
  const { file, findings, geometry, header, path, stored } = parts;
  const { corruptions, leaks } = findings.figures;
  // Where only leaks are mended: if refcounts are right by that, the flags can be too.
  const repairs = repair === 'all' || (repair === 'leaks' && corruptions + leaks === 0);
  const l1 = await tableAt(file, header.l1Offset, header.l1Entries * 8, path);
  const table = Buffer.alloc(geometry.clusterBytes);
  for (let index = 0; index < header.l1Entries; index += 1) {
    const place = tableOffsetAt(l1, index);
    if (place === 0) continue;
    const count = await stored.at(Math.floor(place / geometry.clusterBytes));
    if ((count === 1) !== isTableCopied(l1, index)) {
      const entry = hex(l1.readBigUInt64BE(index * 8));
      const word = told(findings, repairs);
      findings.say(`${word} OFLAG_COPIED L2 cluster: l1_index=${index} l1_entry=${entry} refcount=${count}`);
      if (repairs) {
        putTableOffset(l1, index, place, count === 1);
        await put(file, header.l1Offset + index * 8, l1.subarray(index * 8, index * 8 + 8));
      }
    }
    if (place < file.size() && place % geometry.clusterBytes === 0) await checkTable(parts, place, repairs, table);
  }
  if (repairs) await file.sync();
}

/** `table`: memory for it. */
async function checkTable(
  { file, findings, geometry, header, stored }: FlagParts,
  place: number,
  repairs: boolean,
  table: Buffer,
): Promise<void> {
  const hasDataFile = (header.incompatible & incompatible.dataFile) !== 0;
  const entries = new Entries(geometry, header.version, hasDataFile);
  table.fill(0, await file.read(place, table));
  let isChanged = false;
  for (let index = 0; index < geometry.l2Entries; index += 1) {
    const offset = entries.placeAt(table, index);
    if (offset < 0) continue;
    const found = hasDataFile ? 1 : stored.at(Math.floor(offset / geometry.clusterBytes));
    const count = isPromise(found) ? await found : found;
    if ((count === 1) === entries.isCopied(table, index)) continue;
    const entry = entries.at(table, index);
    const bits = hex(table.readBigUInt64BE(index * geometry.entryBytes));
    findings.say(`${told(findings, repairs)} OFLAG_COPIED data cluster: l2_entry=${bits} refcount=${count}`);
    if (!repairs || entry.offset % geometry.clusterBytes !== 0) continue;
    entries.put(table, index, { ...entry, isCopied: count === 1 });
    isChanged = true;
  }
  if (isChanged) await put(file, place, table);
}

/** Counts it, and gives the word for it. */
function told({ figures }: Findings, repairs: boolean): 'Repairing' | 'ERROR' {
  if (repairs) figures.corruptionsFixed += 1;
  else figures.corruptions += 1;
  return repairs ? 'Repairing' : 'ERROR';
}

async function put(file: HostFile, offset: number, bytes: Uint8Array): Promise<void> {
  const written = file.write(offset, bytes);
  if (isPromise(written)) await written;
}
