/** Rules of the store that a simulator can break on purpose, to show that it would find out. */
export type BrokenRule =
  | 'home-before-journal'
  | 'release-before-commit'
  | 'flush-skips-data'
  | 'recovery-skips-verification'
  | 'recovered-segments-reused'
  | 'sync-retried'
  | 'rescue-not-synced'
  | 'room-not-counted'
  | 'reservation-ignored'
  | 'stale-slot-shown'
  | 'no-loss-generation'
  | 'generation-not-sealed'
  | 'shared-forgotten'
  | 'freed-though-kept'
  | 'cursor-not-committed'
  | 'snapshot-not-synced'
  | 'origin-forgotten';
