import { isAbsolute, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AshlarError } from '@ashlar/core';

/**
 * The path in a `file:` URI. Throws `invalid` for anything else: a name that looks like none is most likely a volume
 * that is not there.
 */
export function filePathOf(uri: string): string {
  if (!/^[a-z][a-z0-9+.-]*:/i.test(uri)) {
    throw new AshlarError(
      'not-found',
      `there is no volume '${uri}': 'ashlar volume ls' shows those there are; a file is named by a URI such as file:///srv/disk.raw`,
    );
  }
  try {
    const path = fileURLToPath(uri);
    if (isAbsolute(path)) return normalize(path);
  } catch {
    // Told below, in words that name what is possible.
  }
  throw new AshlarError(
    'invalid',
    `'${uri}' cannot be exported: write a volume's name or a file's URI such as file:///srv/disk.raw`,
  );
}

export function checkUri(uri: string): void {
  filePathOf(uri);
}
