import { accessSync, constants, existsSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { AshlarError } from '@ashlar/core';

/** What lies where in the data directory. */
export type DataDirectory = {
  readonly path: string;
  /** The chunk store's own directory. */
  readonly pool: string;
  readonly adminSocket: string;
};

export const adminSocketName = 'admin.sock';

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'this user has no permission',
  EPERM: 'this user has no permission',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the file system is full',
  ENOTDIR: 'a part of the path is no directory',
  EEXIST: 'it is no directory',
};

/** A parent first: where one cannot be made, a recursive `mkdir` of Node.js says that it is missing and not why. */
function makeDirectory(path: string): void {
  if (existsSync(path)) return;
  makeDirectory(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

/** Makes the directory where it is missing, for this user only. Throws `denied`, `read-only` and the like, in a sentence. */
export function prepareDataDirectory(data: string): DataDirectory {
  const wanted = resolve(data);
  try {
    makeDirectory(wanted);
    accessSync(wanted, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    const kind = code === 'EROFS' ? 'read-only' : code === 'ENOSPC' ? 'no-space' : 'denied';
    const sentence = `the data directory ${wanted} cannot be used: ${reasons[code] ?? message}`;
    throw new AshlarError(kind, sentence, { path: wanted }, error);
  }
  const path = realpathSync(wanted);
  return { path, pool: join(path, 'pool'), adminSocket: join(path, adminSocketName) };
}

/** A path of the configuration that is meant from inside the data directory. */
export function inside(directory: DataDirectory, path: string): string {
  return isAbsolute(path) ? path : join(directory.path, path);
}
