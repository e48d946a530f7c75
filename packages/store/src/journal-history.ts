/** Frames of one generation that are still to be redone: those with numbers in [number, until). */
export type JournalSpan = { readonly generation: number; readonly number: number; readonly until: number };

/** Of the pool's record: where the generation that is open begins, and what of those before it is not home yet. */
type Progress = {
  readonly position: Pick<JournalSpan, 'generation' | 'number'>;
  readonly earlier?: readonly JournalSpan[];
};

/** Where the stream of a new pool begins. */
const start = { generation: 1, number: 0 };

/** The number of the first frame that is to be redone. */
export const firstOf = (history: readonly JournalSpan[]): number => history[0]?.number ?? 0;

/** What of a history is left where it ends before the frame `end`. What was cut off never comes back: not as a part of it either. */
export function historyUntil(history: readonly JournalSpan[], end: number): readonly JournalSpan[] {
  return history
    .map((span) => ({ ...span, until: Math.min(span.until, end) }))
    .filter(({ number, until }) => number < until);
}

/**
 * What of the journal is behind the last checkpoint, oldest first: what recoveries since then took over, each in the generation
 * that it ended, and all of the generation that is open. The numbers follow each other.
 */
export function historyOf(record: Progress | undefined): readonly JournalSpan[] {
  const { generation, number } = record?.position ?? start;
  return [...(record?.earlier ?? []), { generation, number, until: Infinity }];
}
