import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { AshlarError } from '@ashlar/core';

export const tokenFileName = 'token';

/**
 * The admin API's token: made at the first start in the data directory, readable by its owner only. Throws `denied`
 * where it is there and cannot be read, `invalid` where it is too short to be one.
 */
export function readOrMakeToken(directory: string): string {
  const path = join(directory, tokenFileName);
  try {
    const descriptor = openSync(path, 'wx', 0o600);
    const token = process.getBuiltinModule('node:crypto').randomBytes(32).toString('hex');
    writeSync(descriptor, `${token}\n`);
    closeSync(descriptor);
    return token;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw new AshlarError(
        'denied',
        `the token file ${path} cannot be written: ${(error as Error).message}`,
        { path },
        error,
      );
    }
  }
  return readToken(path);
}

function readToken(path: string): string {
  let token: string;
  try {
    token = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new AshlarError(
      'denied',
      `the token file ${path} cannot be read: ${(error as Error).message}`,
      { path },
      error,
    );
  }
  if (token.length >= 16) return token;
  throw new AshlarError(
    'invalid',
    `the token in ${path} is too short: remove the file, and the next start makes a new one`,
    { path },
  );
}
