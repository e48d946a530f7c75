import { AshlarError } from '@ashlar/core';

const mostNameLength = 127;

/** LVM has these for what it makes itself. */
const reservedBeginnings = ['snapshot', 'pvmove'];
const reservedParts = [
  '_mlog',
  '_mimage',
  '_pmspare',
  '_rimage',
  '_rmeta',
  '_tdata',
  '_tmeta',
  '_cdata',
  '_cmeta',
  '_cpool',
  '_cvol',
  '_corig',
  '_wcorig',
  '_iorig',
  '_imeta',
  '_vdata',
  '_vorigin',
];

function checkCharacters(name: string, what: string): void {
  const isGood = /^[a-zA-Z0-9+_.][a-zA-Z0-9+_.-]*$/.test(name) && name !== '.' && name !== '..';
  if (isGood && name.length <= mostNameLength) return;
  throw new AshlarError('invalid', `${what} name "${name}" is invalid: letters, digits and +_.- are possible`);
}

export const checkGroupName = (name: string): void => checkCharacters(name, 'Volume group');

/** A name for a logical volume that somebody makes. Throws `invalid`. */
export function checkLogicalName(name: string): void {
  checkCharacters(name, 'Logical volume');
  const beginning = reservedBeginnings.find((each) => name.startsWith(each));
  if (beginning !== undefined) throw new AshlarError('invalid', `Names starting "${beginning}" are reserved.`);
  const part = reservedParts.find((each) => name.includes(each));
  if (part !== undefined) throw new AshlarError('invalid', `Names including "${part}" are reserved.`);
}

export function checkTag(tag: string): void {
  if (/^[a-zA-Z0-9_+.\-/=!:&#]{1,1024}$/.test(tag) && !tag.startsWith('-')) return;
  throw new AshlarError('invalid', `the tag "${tag}" is invalid: letters, digits and _+.-/=!:&# are possible`);
}
