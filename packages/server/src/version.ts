import { readFileSync } from 'node:fs';

const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

/** The version of Ashlar: all packages have the same. */
export const version: string = (manifest as { version: string }).version;
