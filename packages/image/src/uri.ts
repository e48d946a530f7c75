import { isAbsolute, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LogicalName } from './lvm/open-logical.ts';
import type { HostSource } from './open-source.ts';

const formats: Readonly<Record<string, HostSource['format']>> = {
  'file:': 'raw',
  'qcow2:': 'qcow2',
  'dev:': 'device',
  'lvm:': 'lvm',
};

/** More than any table has. */
const mostPartition = 4096;

/**
 * Parses `file:///path` (raw; `format=raw`: even where it looks like an image), `qcow2:///path` and `dev:///dev/x`, with `?partition=N` for a partition inside of it,
 * `follow=on` for an image that names other files, `shared=on` for a file or device that somebody else may write to; and `lvm:///path?vg=VG&lv=LV`, a logical volume of a group on that
 * device or image, and on further ones that `pv=/path` names. Nothing for whatever else.
 */
export function parseFileUri(uri: string): HostSource | undefined {
  try {
    const url = new URL(uri);
    const format = formats[url.protocol];
    if (format === undefined) return undefined;
    const options = optionsOf(url, format);
    const path = fileURLToPath(`file:${uri.slice(url.protocol.length).replace(/\?.*$/, '')}`);
    if (options === undefined || !isAbsolute(path)) return undefined;
    if (format !== 'lvm') return { path: normalize(path), format, ...options };
    const logical = logicalOf(url, path);
    return logical === undefined ? undefined : { path: normalize(path), format, ...options, logical };
  } catch {
    // Told by whoever asked, in words that name what is possible.
    return undefined;
  }
}

const logicalNames = ['vg', 'lv', 'pv'];

/** Nothing where the group or the volume is not named once. */
function logicalOf({ searchParams }: URL, path: string): LogicalName | undefined {
  const [group, ...groups] = searchParams.getAll('vg');
  const [volume, ...volumes] = searchParams.getAll('lv');
  const paths = [path, ...searchParams.getAll('pv')];
  const isWhole = groups.length === 0 && volumes.length === 0 && paths.every((each) => isAbsolute(each));
  if (!group || !volume || !isWhole) return undefined;
  return { group, volume, paths: paths.map((each) => normalize(each)) };
}

type Options = Pick<HostSource, 'followsFiles' | 'isSaidRaw' | 'isShared' | 'partition'>;

/** Nothing where one is not known, or comes twice. */
function optionsOf({ searchParams }: URL, format: HostSource['format']): Options | undefined {
  let options: Options = { followsFiles: false, isSaidRaw: false, isShared: false, partition: undefined };
  const seen = new Set<string>();
  for (const [name, value] of searchParams) {
    const isSwitch = value === 'on' || value === 'off';
    const partition = Number(value);
    const isNumber = /^[1-9]\d*$/.test(value) && partition <= mostPartition;
    if (format === 'lvm' && logicalNames.includes(name)) continue;
    if (seen.has(name)) return undefined;
    seen.add(name);
    if (name === 'follow' && format === 'qcow2' && isSwitch) options = { ...options, followsFiles: value === 'on' };
    else if (name === 'shared' && format !== 'qcow2' && format !== 'lvm' && isSwitch)
      options = { ...options, isShared: value === 'on' };
    else if (name === 'format' && format === 'raw' && value === 'raw') options = { ...options, isSaidRaw: true };
    else if (name === 'partition' && isNumber) options = { ...options, partition };
    else return undefined;
  }
  return options;
}
