export type BrokenSnapshotRule = 'earlier-not-kept' | 'epoch-not-ended' | 'earlier-not-handed-on';

export type BrokenCloneRule = 'removal-not-kept' | 'copied-over-changes';

/** Rules of a file tree that a test can break on purpose, to show that it would find out. */
export type BrokenTreeRule = BrokenSnapshotRule | BrokenCloneRule;
