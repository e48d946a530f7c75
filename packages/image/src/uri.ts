import { isAbsolute, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HostSource } from './open-source.ts';

const formats: Readonly<Record<string, HostSource['format']>> = { 'file:': 'raw', 'qcow2:': 'qcow2', 'dev:': 'device' };

/** More than any table has. */
const mostPartition = 4096;

/**
 * Parses `file:///path` (raw), `qcow2:///path` and `dev:///dev/x`, with `?partition=N` for a partition inside of it, `follow=on` for an image that
 * names other files, `shared=on` for a file or device that somebody else may write to. Nothing for whatever else.
 */
export function parseFileUri(uri: string): HostSource | undefined {
  try {
    const url = new URL(uri);
    const format = formats[url.protocol];
    if (format === undefined) return undefined;
    const options = optionsOf(url, format);
    const path = fileURLToPath(`file:${uri.slice(url.protocol.length).replace(/\?.*$/, '')}`);
    return options !== undefined && isAbsolute(path) ? { path: normalize(path), format, ...options } : undefined;
  } catch {
    // Told by whoever asked, in words that name what is possible.
    return undefined;
  }
}

type Options = Pick<HostSource, 'followsFiles' | 'isShared' | 'partition'>;

/** Nothing where one is not known, or comes twice. */
function optionsOf({ searchParams }: URL, format: HostSource['format']): Options | undefined {
  let options: Options = { followsFiles: false, isShared: false, partition: undefined };
  const seen = new Set<string>();
  for (const [name, value] of searchParams) {
    const isSwitch = value === 'on' || value === 'off';
    const partition = Number(value);
    const isNumber = /^[1-9]\d*$/.test(value) && partition <= mostPartition;
    if (seen.has(name)) return undefined;
    seen.add(name);
    if (name === 'follow' && format === 'qcow2' && isSwitch) options = { ...options, followsFiles: value === 'on' };
    else if (name === 'shared' && format !== 'qcow2' && isSwitch) options = { ...options, isShared: value === 'on' };
    else if (name === 'partition' && isNumber) options = { ...options, partition };
    else return undefined;
  }
  return options;
}
