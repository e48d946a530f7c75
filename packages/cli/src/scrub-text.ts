import { formatSize, foundDamage } from '@ashlar/core';
import type { StatusView } from '@ashlar/server';

type LastScrub = StatusView['scrub'];

const count = (number: number, what: string): string[] => (number === 0 ? [] : [`${number} ${what}`]);

/** What a scrub found, in a few words. */
export function damageText(scrub: LastScrub): string {
  if (!foundDamage(scrub)) return 'nothing';
  const { damagedBytes, damagedPages, records } = scrub;
  return [
    ...(damagedBytes === 0 ? [] : [formatSize(damagedBytes)]),
    ...count(damagedPages, 'pages'),
    ...count(records?.damaged ?? 0, 'records of the database'),
  ].join(', ');
}

/** The last scrub in one line. */
export function scrubText(scrub: LastScrub): string {
  const { state, started, ended, doneBytes, totalBytes } = scrub;
  if (state === 'never') return 'never';
  const isUnderWay = ended === undefined;
  const read = isUnderWay ? `${formatSize(doneBytes)} of at most ${formatSize(totalBytes)}` : formatSize(doneBytes);
  const when = isUnderWay ? `since ${started}` : ended;
  const more = foundDamage(scrub) ? ": run 'ashlar scrub status'" : '';
  return `${state} ${when}, ${read} read, ${damageText(scrub)} damaged${more}`;
}
