import { AshlarError } from '@ashlar/core';
import type { SnapshotSchedule } from './types.ts';

/** What a volume has when it is given schedules: one that is as it was keeps since when it is. Throws `invalid` where a name is there twice. */
export function nextSchedules(
  before: readonly SnapshotSchedule[],
  wanted: readonly Omit<SnapshotSchedule, 'since'>[],
  now: string,
): readonly SnapshotSchedule[] {
  const names = new Set<string>();
  return wanted.map(({ name, everySeconds, keep }) => {
    if (names.has(name)) throw new AshlarError('invalid', `the schedule '${name}' is named twice`);
    names.add(name);
    const same = before.find((each) => each.name === name && each.everySeconds === everySeconds);
    return { name, everySeconds, keep, since: same?.since ?? now };
  });
}
