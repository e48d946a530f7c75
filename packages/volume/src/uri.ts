import { normalize } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { AshlarError } from '@ashlar/core';
import type { HostSource } from '@ashlar/image';
import { parseFileUri } from '@ashlar/image/uri';

/**
 * Parses `file:///path` (raw), `qcow2:///path` and `dev:///dev/x`, with `?partition=N` for a partition inside of it, `follow=on` for an image that
 * names other files, `shared=on` for a device that somebody else has as well; and `lvm:///path?vg=VG&lv=LV`. Throws `invalid` for anything else: a name that looks like none is most
 * likely a volume that is not there.
 */
export function fileNamedBy(uri: string): HostSource {
  if (!/^[a-z][a-z0-9+.-]*:/i.test(uri)) {
    throw new AshlarError(
      'not-found',
      `there is no volume '${uri}': 'ashlar volume ls' shows those there are; a file is named by a URI such as file:///srv/disk.raw`,
    );
  }
  const found = parseFileUri(uri);
  if (found !== undefined) return found;
  throw new AshlarError(
    'invalid',
    `'${uri}' cannot be exported: write a volume's name, or a URI such as file:///srv/disk.raw, qcow2:///srv/disk.qcow2, dev:///dev/sdb, lvm:///dev/sdb?vg=VG&lv=LV or dir:///srv/home`,
  );
}

/** The path of `dir:///path`, a directory of the machine; nothing for what is no such URI. Throws `invalid` for one without a whole path. */
export function directoryNamedBy(uri: string): string | undefined {
  if (!/^dir:/i.test(uri)) return undefined;
  try {
    const url = new URL(uri);
    const path = fileURLToPath(`file:${uri.slice(url.protocol.length)}`);
    if (url.search === '' && url.hash === '') return normalize(path).replace(/(?<=.)\/$/, '');
  } catch {
    // Told below.
  }
  throw new AshlarError('invalid', `'${uri}' names no directory: write a whole path, such as dir:///srv/home`);
}

/** The URI of a directory of the machine. */
export const directoryUri = (path: string): string => `dir:${pathToFileURL(path).href.slice('file:'.length)}`;

/** Whether an export of it can be. `readOnly`: as that is asked for. */
export function checkUri(uri: string, readOnly: boolean): void {
  const { isShared } = fileNamedBy(uri);
  if (readOnly || !isShared) return;
  throw new AshlarError('invalid', `'${uri}' is shared with others, and may only be read: add --read-only`);
}
