import { AshlarError } from '@ashlar/core';

/** The two names in `VOLUME@SNAPSHOT`. */
export function snapshotParts(fullName: string): { readonly volume: string; readonly name: string } {
  const [volume, name, ...more] = fullName.split('@');
  if (volume !== undefined && volume !== '' && name !== undefined && name !== '' && more.length === 0) {
    return { volume, name };
  }
  throw new AshlarError(
    'invalid',
    `'${fullName}' is not the name of a snapshot: write VOLUME@SNAPSHOT, such as demo@before`,
  );
}
