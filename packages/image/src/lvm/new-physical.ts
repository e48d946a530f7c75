import { AshlarError, KiB, MiB, type Random } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import { encodeAreaHeader, type AreaHeader } from './area-header.ts';
import { encodeLabel, labelSectors, sectorBytes, type PvLabel } from './label.ts';
import { newUuid } from './uuid.ts';

/** Where lvm2 puts what it writes on a device, unless it is told otherwise. */
const areaOffset = 4 * KiB;
const startBytes = MiB;
/** lvm2 takes no smaller ones. */
const leastBytes = 2 * MiB;

const usedFlag = 1;
const extensionVersion = 2;

export function newLabel(random: Random, sizeBytes: number, path: string): PvLabel {
  if (sizeBytes < leastBytes) {
    throw new AshlarError('invalid', `Cannot use ${path}: device is too small (pv_min_size)`, { path });
  }
  return {
    id: newUuid(random),
    sector: 1,
    deviceBytes: sizeBytes - (sizeBytes % sectorBytes),
    dataAreas: [{ offset: startBytes, sizeBytes: 0 }],
    metadataAreas: [{ offset: areaOffset, sizeBytes: startBytes - areaOffset }],
    extensionVersion,
    flags: 0,
    bootAreas: [],
  };
}

/** Writes an area without a text, then the label: what ends before that is no physical volume. Gives the area. */
export async function writeNewPhysical(file: HostFile, label: PvLabel): Promise<AreaHeader> {
  const [area] = label.metadataAreas;
  const header = { area: area!, committed: undefined, prepared: undefined, isIgnored: false };
  await file.write(areaOffset, encodeAreaHeader(header));
  await file.sync();
  const head = Buffer.alloc(labelSectors * sectorBytes);
  encodeLabel(label).copy(head, label.sector * sectorBytes);
  await file.write(0, head);
  await file.sync();
  return header;
}

/** Says in the label whether a group has the volume. */
export async function markUsed(file: HostFile, label: PvLabel, isUsed: boolean): Promise<void> {
  const flags = isUsed ? label.flags | usedFlag : label.flags & ~usedFlag;
  if (flags === label.flags && label.extensionVersion > 0) return;
  await file.write(label.sector * sectorBytes, encodeLabel({ ...label, flags }));
  await file.sync();
}

/** Takes the label away. */
export async function removeLabel(file: HostFile, label: PvLabel): Promise<void> {
  await file.write(label.sector * sectorBytes, Buffer.alloc(sectorBytes));
  await file.sync();
}

type Signature = { readonly offset: number; readonly bytes: string; readonly what: string };

/** What is on devices that are in use otherwise. */
const signatures: readonly Signature[] = [
  { offset: 0x438, bytes: '\x53\xef', what: 'an ext file system' },
  { offset: 0, bytes: 'XFSB', what: 'an XFS file system' },
  { offset: 0x1_0040, bytes: '_BHRfS_M', what: 'a btrfs file system' },
  { offset: 4086, bytes: 'SWAPSPACE2', what: 'swap space' },
  { offset: 0, bytes: 'LUKS\xba\xbe', what: 'LUKS encryption' },
  { offset: 0, bytes: 'QFI\xfb', what: 'a qcow2 image' },
  { offset: 512, bytes: 'EFI PART', what: 'a GPT partition table' },
  { offset: 3, bytes: 'NTFS    ', what: 'an NTFS file system' },
  { offset: 0x8001, bytes: 'CD001', what: 'an ISO 9660 file system' },
  { offset: 510, bytes: '\x55\xaa', what: 'a partition table' },
];

/** What somebody else has on the device, as far as that is known. */
export async function foreignSignature(file: HostFile): Promise<string | undefined> {
  const bytes = Buffer.alloc(128 * KiB);
  const found = bytes.subarray(0, await file.read(0, bytes)).toString('latin1');
  return signatures.find(({ bytes: mark, offset }) => found.startsWith(mark, offset))?.what;
}
