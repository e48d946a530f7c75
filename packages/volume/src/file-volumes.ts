import { AshlarError } from '@ashlar/core';
import type { NewVolume, NfsRules, SaidRules, Volume } from './types.ts';

/** What a new file volume cannot have. Throws `invalid`. */
export function checkTree({ limits = {}, preallocation = 'off' }: NewVolume): void {
  if (preallocation !== 'off') {
    throw new AshlarError(
      'invalid',
      'a file volume takes room as its files do: leave --preallocation out, or say --reserve',
    );
  }
  if (Object.keys(limits).length > 0) throw new AshlarError('invalid', 'a file volume cannot be limited yet');
}

/** The volume, where it is a disk. Throws `unsupported` for others: `done` is what cannot be done with those. */
export function refuseTree(volume: Volume, done: string): Volume {
  const { name, type } = volume;
  if (type === 'block') return volume;
  throw new AshlarError('unsupported', `'${name}' is a file volume, which cannot be ${done} yet`, { volume: name });
}

/** The user that nobody is taken for (exports(5)). */
const nobody = 65_534;

/** Of a file volume under its own name: a machine that may mount it may do with it what it wants, as with a disk. */
export const ownRules: NfsRules = {
  sync: true,
  secure: false,
  squash: 'none',
  anonymousUid: nobody,
  anonymousGid: nobody,
};

/** What is not said is as it was; at first as a file volume's own. */
export const rulesWith = (said: SaidRules | undefined, before = ownRules): NfsRules => ({
  sync: said?.sync ?? before.sync,
  secure: said?.secure ?? before.secure,
  squash: said?.squash ?? before.squash,
  anonymousUid: said?.anonymousUid ?? before.anonymousUid,
  anonymousGid: said?.anonymousGid ?? before.anonymousGid,
  ...((said?.acls ?? before.acls ?? true) ? {} : { acls: false }),
});
