import { lineAt } from './lexer.ts';
import type { Module } from './module.ts';

/** A pattern that must not be found, and why. Spelt in pieces, so that this file does not find itself. */
type Ban = { readonly pattern: RegExp; readonly sentence: string };

const banned = (pieces: readonly string[], flags: string, sentence: string): Ban => ({
  pattern: new RegExp(pieces.join(''), flags),
  sentence,
});

const unfinished: readonly Ban[] = [
  banned(['\\bTO', 'DO\\b|\\bFIX', 'ME\\b|\\bX', 'XX\\b|\\bHA', 'CK\\b'], 'g', 'something is left to do'),
  banned(['\\bst', 'ub(?:s|bed)?\\b'], 'gi', 'something only pretends to be there'),
  banned(['@ts-', '(?:ignore|nocheck|expect-error)'], 'g', 'the type checker is silenced'),
  banned(['ox', 'lint-disable|eslint-', 'disable'], 'g', 'the linter is silenced'),
];

const machine: readonly Ban[] = [
  banned(['(?<![\\w.])/', '(?:work|root|home/\\w+)/'], 'g', 'a path of one machine'),
  banned(['registry\\.', '(?:npmjs|yarnpkg)|npm', 'mirror\\.'], 'g', 'the address of a package registry'),
];

const inCode: readonly Ban[] = [
  banned(['(?<![.\\w])', 'any', '\\b(?!\\s*[?]?:)'], 'g', 'the type that turns checking off'),
  banned(['\\btest\\.', '(?:only|skip|failing|todo)\\b'], 'g', 'a test that is switched on alone or off'),
  banned(['^export\\s+', 'default\\b'], 'gm', 'a default export'),
  banned(['^\\s*debug', 'ger\\b'], 'gm', 'a break point'),
];

export const maximumLines = 450;

function search(path: string, text: string, bans: readonly Ban[]): string[] {
  return bans.flatMap(({ pattern, sentence }) =>
    [...text.matchAll(pattern)].map(
      (match) => `${path}:${lineAt(text, match.index)}: ${sentence} (${match[0].trim()})`,
    ),
  );
}

/** Faults of a file's whole text, comments and all. */
export const textFaults = (path: string, text: string): string[] => search(path, text, [...unfinished, ...machine]);

/** Faults of a source's code, comments and strings left out. */
export function codeFaults({ path, code, source }: Module): string[] {
  const lines = source.split('\n').length - 1;
  const long = lines > maximumLines ? [`${path}:${maximumLines}: has ${lines} lines, more than ${maximumLines}`] : [];
  return [...(path.endsWith('.config.js') ? [] : search(path, code, inCode)), ...long];
}
