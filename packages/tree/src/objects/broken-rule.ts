/** Rules of a file tree that a test can break on purpose, to show that it would find out. */
export type BrokenTreeRule = 'earlier-not-kept' | 'epoch-not-ended' | 'earlier-not-handed-on';
