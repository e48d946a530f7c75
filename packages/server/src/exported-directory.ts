import { realpathSync, statSync } from 'node:fs';
import { AshlarError } from '@ashlar/core';

const reasons: Readonly<Record<string, readonly ['not-found' | 'not-directory' | 'denied', string]>> = {
  ENOENT: ['not-found', 'it is not there: make it first'],
  ENOTDIR: ['not-directory', 'a part of the path is no directory'],
  EACCES: ['denied', 'the server has no permission'],
};

/**
 * What keeps a directory of the machine from being exported. Throws `not-found`, `not-directory`, `denied`; `invalid` where the server's own data is in it, or it is in that: clients would
 * change the pool below the server.
 */
export function checkExportedDirectory(path: string, dataDirectory: string): void {
  const real = realPath(path);
  if (!statSync(real).isDirectory()) {
    const file = `offer a file as file://${path}, over NBD`;
    throw new AshlarError('not-directory', `${path} cannot be exported: it is no directory; ${file}`, { path });
  }
  if (!isBelow(real, dataDirectory) && !isBelow(dataDirectory, real)) return;
  const how = isBelow(real, dataDirectory) ? 'it is in' : 'in it is';
  const sentence = `${path} cannot be exported: ${how} the server's own data directory, ${dataDirectory}`;
  throw new AshlarError('invalid', sentence, { path });
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    const [kind, reason] = reasons[(error as NodeJS.ErrnoException).code ?? ''] ?? ['io', (error as Error).message];
    throw new AshlarError(kind, `${path} cannot be exported: ${reason}`, { path }, error);
  }
}

const isBelow = (path: string, directory: string): boolean =>
  directory === '/' || path === directory || path.startsWith(`${directory}/`);
