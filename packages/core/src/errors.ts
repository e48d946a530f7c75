/** The closed list of what can go wrong, in words no protocol owns. Each protocol has one table from kind to wire code. */
export const errorKinds = [
  'not-found',
  'exists',
  'no-space',
  'out-of-range',
  'invalid',
  'read-only',
  'corrupt',
  'unsupported',
  'busy',
  'stale',
  'denied',
  'timeout',
  'closed',
  'io',
  // files
  'not-directory',
  'is-directory',
  'not-empty',
  'name-too-long',
  'cross-device',
  'too-many-links',
  'quota',
  'not-owner',
  'too-big',
  'too-small',
  'bad-cookie',
  'bad-type',
  'bad-handle',
  'out-of-sync',
  'try-later',
  // SCSI
  'miscompare',
  'reserved',
  // bricks
  'fenced',
  'failed',
] as const;

export type ErrorKind = (typeof errorKinds)[number];

/** What was being done when it failed. Units: bytes. */
export type ErrorContext = {
  readonly volume?: string;
  readonly offset?: number;
  readonly length?: number;
  readonly operation?: string;
  readonly peer?: string;
  readonly path?: string;
};

/** The one error that crosses package borders. `message` is a sentence: what failed, on what, and what to do if that is known. */
export class AshlarError extends Error {
  override readonly name = 'AshlarError';
  readonly kind: ErrorKind;
  readonly context: ErrorContext;

  constructor(kind: ErrorKind, message: string, context: ErrorContext = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.context = context;
  }
}

/** The kind of any thrown value: what is not an AshlarError came from the system and counts as `io`. */
export function errorKindOf(error: unknown): ErrorKind {
  return error instanceof AshlarError ? error.kind : 'io';
}
