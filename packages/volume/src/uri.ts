import { isAbsolute, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AshlarError } from '@ashlar/core';
import type { HostSource } from '@ashlar/image';

const formats: Readonly<Record<string, HostSource['format']>> = { 'file:': 'raw', 'qcow2:': 'qcow2', 'dev:': 'device' };

/** More than any table has. */
const mostPartition = 4096;

/**
 * Parses `file:///path` (raw), `qcow2:///path` and `dev:///dev/x`, with `?partition=N` for a partition inside of it, `follow=on` for an image that
 * names other files, `shared=on` for a device that somebody else has as well. Throws `invalid` for anything else: a name that looks like none is most
 * likely a volume that is not there.
 */
export function fileNamedBy(uri: string): HostSource {
  if (!/^[a-z][a-z0-9+.-]*:/i.test(uri)) {
    throw new AshlarError(
      'not-found',
      `there is no volume '${uri}': 'ashlar volume ls' shows those there are; a file is named by a URI such as file:///srv/disk.raw`,
    );
  }
  const found = parsed(uri);
  if (found !== undefined) return found;
  throw new AshlarError(
    'invalid',
    `'${uri}' cannot be exported: write a volume's name, or a URI such as file:///srv/disk.raw, qcow2:///srv/disk.qcow2 or dev:///dev/sdb`,
  );
}

function parsed(uri: string): HostSource | undefined {
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

/** Whether an export of it can be. `readOnly`: as that is asked for. */
export function checkUri(uri: string, readOnly: boolean): void {
  const { isShared } = fileNamedBy(uri);
  if (readOnly || !isShared) return;
  throw new AshlarError('invalid', `'${uri}' is shared with others, and may only be read: add --read-only`);
}
