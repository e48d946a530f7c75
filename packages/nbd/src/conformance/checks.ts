import { blockStatusChecks } from './block-status.ts';
import type { Check } from './check.ts';
import { rangeCommandChecks } from './commands.ts';
import { connectionChecks } from './connections.ts';
import { exportNameChecks } from './export-name.ts';
import { extendedStatusChecks } from './extended-status.ts';
import { extendedChecks } from './extended.ts';
import { flushChecks } from './flush.ts';
import { handshakeChecks } from './handshake.ts';
import { infoChecks } from './info.ts';
import { malformedChecks } from './malformed.ts';
import { metaContextChecks } from './meta-context.ts';
import { optionChecks } from './options.ts';
import { readOnlyChecks } from './read-only.ts';
import { readChecks } from './read.ts';
import { resizeChecks } from './resize.ts';
import { sizeAndFlagChecks } from './sizes.ts';
import { structuredChecks } from './structured.ts';
import { tlsChecks } from './tls.ts';
import { writeChecks } from './write.ts';
import { zeroTrimCacheChecks } from './zero-trim.ts';

/** All checks, in the order in which they are made. */
export const checks: readonly Check[] = [
  ...handshakeChecks,
  ...optionChecks,
  ...tlsChecks,
  ...infoChecks,
  ...sizeAndFlagChecks,
  ...exportNameChecks,
  ...structuredChecks,
  ...metaContextChecks,
  ...readChecks,
  ...writeChecks,
  ...flushChecks,
  ...zeroTrimCacheChecks,
  ...blockStatusChecks,
  ...rangeCommandChecks,
  ...resizeChecks,
  ...readOnlyChecks,
  ...extendedChecks,
  ...extendedStatusChecks,
  ...malformedChecks,
  ...connectionChecks,
];
