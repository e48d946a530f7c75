import { formatSize } from '@ashlar/core';
import type { ImageInfo } from '@ashlar/image';

type Qcow2 = NonNullable<ImageInfo['qcow2']>;
type Json = { readonly [name: string]: unknown };

/** As `qemu-img info --output json`: the same keys, in the same order. */
export function infoJson(info: ImageInfo): Json {
  const { diskBytes, format, path, qcow2, sizeBytes } = info;
  const { backingFile, backingFormat } = qcow2?.header ?? {};
  return {
    ...(backingFormat === undefined ? {} : { 'backing-filename-format': backingFormat }),
    ...(qcow2 === undefined || qcow2.snapshots.length === 0 ? {} : { snapshots: qcow2.snapshots.map(snapshotJson) }),
    'virtual-size': sizeBytes,
    filename: path,
    ...(qcow2 === undefined ? {} : { 'cluster-size': 2 ** qcow2.header.clusterBits }),
    format,
    ...(diskBytes === undefined ? {} : { 'actual-size': diskBytes }),
    ...(qcow2 === undefined ? {} : { 'format-specific': { type: 'qcow2', data: specificOf(qcow2) } }),
    ...(backingFile === undefined
      ? {}
      : { 'full-backing-filename': qcow2?.backingPath, 'backing-filename': backingFile }),
    'dirty-flag': qcow2?.isDirty ?? false,
  };
}

function snapshotJson(snapshot: Qcow2['snapshots'][number]): Json {
  const { guestClock, id, instructions, name, nanoseconds, seconds, vmStateBytes } = snapshot;
  return {
    ...(instructions === undefined ? {} : { icount: Number(instructions) }),
    'vm-clock-nsec': Number(guestClock % 1_000_000_000n),
    name,
    'date-sec': seconds,
    'date-nsec': nanoseconds,
    'vm-clock-sec': Number(guestClock / 1_000_000_000n),
    id,
    'vm-state-size': vmStateBytes,
  };
}

function specificOf({ bitmaps, header, isCorrupt, isDataRaw, isExtended, isLazy }: Qcow2): Json {
  const { compression, dataFile, refcountOrder, version } = header;
  if (version === 2) return { compat: '0.10', 'compression-type': compression, 'refcount-bits': 2 ** refcountOrder };
  const flagsOf = ({ isAuto, isInUse }: (typeof bitmaps)[number]): string[] => [
    ...(isInUse ? ['in-use'] : []),
    ...(isAuto ? ['auto'] : []),
  ];
  return {
    compat: '1.1',
    'compression-type': compression,
    'lazy-refcounts': isLazy,
    ...(bitmaps.length === 0
      ? {}
      : { bitmaps: bitmaps.map((each) => ({ flags: flagsOf(each), name: each.name, granularity: each.granularity })) }),
    'refcount-bits': 2 ** refcountOrder,
    ...(dataFile === undefined ? {} : { 'data-file': dataFile, 'data-file-raw': isDataRaw }),
    corrupt: isCorrupt,
    'extended-l2': isExtended,
  };
}

/** As `qemu-img info`, line by line. */
export function infoText(info: ImageInfo): string {
  const { diskBytes, format, path, qcow2, sizeBytes } = info;
  const lines = [
    `image: ${path}`,
    `file format: ${format}`,
    `virtual size: ${formatSize(sizeBytes)} (${sizeBytes} bytes)`,
    `disk size: ${diskBytes === undefined ? 'unavailable' : formatSize(diskBytes)}`,
  ];
  if (qcow2 === undefined) return lines.join('\n');
  const { backingPath, header, isDirty, snapshots } = qcow2;
  const { backingFile, backingFormat, clusterBits } = header;
  lines.push(`cluster_size: ${2 ** clusterBits}`);
  if (isDirty) lines.push('cleanly shut down: no');
  if (backingFile !== undefined) {
    lines.push(`backing file: ${backingFile}${backingPath === backingFile ? '' : ` (actual path: ${backingPath})`}`);
  }
  if (backingFormat !== undefined) lines.push(`backing file format: ${backingFormat}`);
  if (snapshots.length > 0) lines.push('Snapshot list:', snapshotTable(snapshots));
  lines.push('Format specific information:', ...specificLines(specificOf(qcow2), '    '));
  return lines.join('\n');
}

function specificLines(fields: Json | readonly unknown[], indent: string): string[] {
  return Object.entries(fields).flatMap(([name, value]) => {
    const label = Array.isArray(fields) ? `[${name}]` : name.replaceAll('-', ' ');
    if (typeof value !== 'object' || value === null) return [`${indent}${label}: ${String(value)}`];
    return [`${indent}${label}:`, ...specificLines(value as Json, `${indent}    `)];
  });
}

/** As `qemu-img snapshot -l`, with its head. */
export function snapshotTable(snapshots: Qcow2['snapshots']): string {
  const row = (id: string, tag: string, size: string, date: string, clock: string, count: string): string =>
    `${id.padEnd(10)}${tag.padEnd(17)}${size.padStart(8)}${date.padStart(20)}${clock.padStart(13)}${count.padStart(11)}`;
  const rows = snapshots.map(({ guestClock, id, instructions, name, seconds, vmStateBytes }) =>
    row(id, name, formatSize(vmStateBytes), dateOf(seconds), clockOf(guestClock), instructions?.toString() ?? ''),
  );
  return [row('ID', 'TAG', 'VM SIZE', 'DATE', 'VM CLOCK', 'ICOUNT'), ...rows].join('\n');
}

const two = (value: number): string => String(value).padStart(2, '0');

function dateOf(seconds: number): string {
  const date = new Date(seconds * 1000);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function clockOf(nanoseconds: bigint): string {
  const milliseconds = Number(nanoseconds / 1_000_000n);
  const seconds = Math.floor(milliseconds / 1000);
  const rest = String(milliseconds % 1000).padStart(3, '0');
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}.${rest}`;
}
