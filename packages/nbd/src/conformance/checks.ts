import type { Check } from './check.ts';
import { exportNameChecks } from './export-name.ts';
import { handshakeChecks } from './handshake.ts';
import { infoChecks } from './info.ts';
import { metaContextChecks } from './meta-context.ts';
import { optionChecks } from './options.ts';
import { sizeAndFlagChecks } from './sizes.ts';
import { structuredChecks } from './structured.ts';

/** All checks, in the order in which they are made. */
export const checks: readonly Check[] = [
  ...handshakeChecks,
  ...optionChecks,
  ...infoChecks,
  ...sizeAndFlagChecks,
  ...exportNameChecks,
  ...structuredChecks,
  ...metaContextChecks,
];
