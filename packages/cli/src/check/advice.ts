import type { Mend, ProblemKind } from '@ashlar/store';

/** What is left to do where nothing in the pool says what is right. */
const advice: Readonly<Record<ProblemKind | 'catalogue', string>> = {
  catalogue: 'restore the pool from a copy: of its volumes nothing is served until then',
  'record-damaged': 'what it leads to cannot be read: restore that volume, or the pool, from a copy',
  'record-missing': 'what it leads to cannot be read: restore that volume, or the pool, from a copy',
  'record-unknown': 'nothing reads it, and nothing is lost: a later version may have left it',
  'record-stray': 'nothing reads it: it is removed when no record is damaged',
  'number-low': 'restore the pool from a copy',
  'page-damaged':
    "the rest can be read: copy it out ('qemu-img convert --salvage', or a snapshot or clone that is whole), remove the volume, then --repair gives its room back",
  'checksum-page-damaged':
    'blocks there answer an I/O error: copy out the rest, and restore what is missing from a copy; what is written anew can be read',
  'page-leaked': 'only room is lost: --repair gives it back when nothing else is wrong with the maps',
  'page-shared': 'one of the two has a map that is not its own: copy out both, compare them, remove both',
  'page-not-claimed': 'start no server before it is mended',
  'slot-leaked': 'only room is lost: --repair gives it back when nothing else is wrong with the maps',
  'slot-shared': 'the bytes are those of whoever wrote last: copy out both, compare them, remove both',
  'slot-not-claimed': 'start no server before it is mended',
  'slot-outside': 'a data file is missing or was cut off: put it back, or restore what was in it from a copy',
  'count-wrong': 'only what is said of its space is wrong; it is known when what else is wrong with the maps is mended',
  'entry-wrong': 'what it has can be read as its map says: copy it out, compare it, remove the volume',
  'journal-hole': "the next start holds every volume: restore or check each, then 'ashlar volume accept NAME'",
  'journal-header': 'the next start mends it',
  'journal-cut': "the next start holds every volume: restore or check each, then 'ashlar volume accept NAME'",
  'damage-unlisted': 'restore what is damaged from a copy',
};

/** Of a damaged record where the whole database can be made anew. */
export const anewAdvice = 'the next start, and --repair, make the database anew of its log: nothing is lost';

/** What becomes of a problem, in a few words. */
export function adviceFor(kind: keyof typeof advice, mend: Mend): string {
  return mend === 'repair' ? '--repair mends it' : advice[kind];
}
