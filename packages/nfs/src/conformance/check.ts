import type { Place } from './place.ts';

export type Level = 'MUST' | 'SHOULD' | 'MAY';

export type Check = {
  /** AREA.NAME, stable: reports and filters name checks by it. */
  readonly id: string;
  /** What a conforming server does, as a sentence. */
  readonly title: string;
  /** The section that says so, or `robustness`. */
  readonly source: string;
  readonly level: Level;
  /** Throws Failed or Skipped; what it resolves to is a note about something that the document leaves open. */
  readonly run: (place: Place) => Promise<string | void>;
};

type Run = Check['run'];

/** Checks of one area: their ids begin with it, and their sources are sections of one document unless they say otherwise. */
export function area(prefix: string, document: string) {
  const check =
    (level: Level) =>
    (name: string, title: string, section: string, run: Run): Check => ({
      id: `${prefix}.${name}`,
      title,
      source: section === robustness ? section : `${document}, ${section}`,
      level,
      run,
    });
  return { must: check('MUST'), should: check('SHOULD'), may: check('MAY') };
}

/** For what no document says and no server that others depend on can do without. */
export const robustness = 'robustness (not in the document)';

export const rfc1813 = 'RFC 1813';
export const rfc5531 = 'RFC 5531';
export const rfc1833 = 'RFC 1833';
