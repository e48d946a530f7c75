import { AshlarError } from '@ashlar/core';

/** Characters in the name of a volume or an export. */
const longestName = 128;

/**
 * Names are what people type in shells, URIs and file names: letters, digits, `.`, `_` and `-`, the first a letter or
 * digit. (`@` is kept for snapshots and `/` for paths.) Throws `invalid`.
 */
export function checkName(what: 'volume' | 'export' | 'snapshot', name: string): void {
  if (name.length > longestName) {
    throw new AshlarError(
      'invalid',
      `the ${what} name has ${name.length} characters: at most ${longestName} are allowed`,
    );
  }
  if (what === 'snapshot' && name.includes('..')) {
    throw new AshlarError('invalid', `'${name}' cannot be the name of a snapshot: A..B means what changed from A to B`);
  }
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) return;
  throw new AshlarError(
    'invalid',
    `'${name}' cannot be the name of ${what === 'export' ? 'an' : 'a'} ${what}: use letters, digits, '.', '_' and '-', and begin with a letter or a digit`,
  );
}
