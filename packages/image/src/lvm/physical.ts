import { AshlarError } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import { parseAreaHeader, runsOf, type AreaHeader, type TextPlace } from './area-header.ts';
import { lvmChecksum } from './checksum.ts';
import type { VolumeGroup } from './group.ts';
import { findLabel, labelSectors, sectorBytes, type LabelArea, type PvLabel } from './label.ts';
import { readGroup } from './read-group.ts';
import { parseText } from './text/parse.ts';

/** A metadata area as it was found. */
export type FoundArea = {
  readonly place: LabelArea;
  /** Undefined where it cannot be read: `fault` says why. */
  readonly header: AreaHeader | undefined;
  /** What the committed text says; undefined where there is none. */
  readonly group: VolumeGroup | undefined;
  readonly fault: AshlarError | undefined;
};

/** A device or file with a label. */
export type FoundPhysical = {
  readonly path: string;
  readonly isDevice: boolean;
  readonly sizeBytes: number;
  readonly label: PvLabel;
  readonly areas: readonly FoundArea[];
};

async function bytesAt(file: HostFile, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, await file.read(offset, bytes));
}

/** What LVM has written on a device, or nothing where it is no physical volume. Throws `corrupt` where its label is damaged. */
export async function readPhysical(file: HostFile): Promise<FoundPhysical | undefined> {
  const { isDevice, path } = file;
  const label = findLabel(await bytesAt(file, 0, labelSectors * sectorBytes), path);
  if (label === undefined) return undefined;
  const sizeBytes = file.size();
  const areas: FoundArea[] = [];
  for (const place of label.metadataAreas) areas.push(await readArea(file, place, sizeBytes));
  return { path, isDevice, sizeBytes, label, areas };
}

async function readArea(file: HostFile, place: LabelArea, sizeBytes: number): Promise<FoundArea> {
  const { path } = file;
  let header: AreaHeader | undefined;
  try {
    header = parseAreaHeader(await bytesAt(file, place.offset, sectorBytes), place, path);
    const { area, committed } = header;
    if (area.offset + area.sizeBytes > sizeBytes) {
      throw new AshlarError('corrupt', `a metadata area of the physical volume '${path}' ends behind it`, { path });
    }
    const group = committed === undefined ? undefined : await groupAt(file, area, committed);
    return { place, header, group, fault: undefined };
  } catch (error) {
    if (!(error instanceof AshlarError)) throw error;
    return { place, header, group: undefined, fault: error };
  }
}

async function groupAt(file: HostFile, area: LabelArea, text: TextPlace): Promise<VolumeGroup> {
  const { path } = file;
  const parts: Buffer[] = [];
  for (const { length, offset } of runsOf(area, text)) parts.push(await bytesAt(file, offset, length));
  if (lvmChecksum(...parts) !== text.checksum) {
    throw new AshlarError('corrupt', `the metadata of '${path}' does not match its checksum`, { path });
  }
  return readGroup(parseText(Buffer.concat(parts).toString('latin1'), path), path);
}
