import { lex, lineAt, type Lexed } from './lexer.ts';

/** Which names an import takes: a list, all of them (`import * as x` seen through its uses is a list), or none. */
export type Import = { readonly specifier: string; readonly line: number; readonly names: readonly string[] | 'all' };

type Export = { readonly name: string; readonly line: number };

/** What one source says about its surroundings. */
export type Module = {
  readonly path: string;
  readonly source: string;
  readonly code: string;
  readonly imports: readonly Import[];
  readonly exports: readonly Export[];
  /** Sources named by a string and not imported: worker entries, the main file of a command. */
  readonly mentions: readonly Import[];
};

/** `a, type B as C` is a and B. */
function outerNames(list: string): string[] {
  return splitNames(list).map((name) => name.split(/\s+as\s+/)[0]!);
}

/** `a, type B as C` makes a and C. */
function innerNames(list: string): string[] {
  return splitNames(list).map((name) => name.split(/\s+as\s+/).at(-1)!);
}

function splitNames(list: string): string[] {
  return list
    .split(',')
    .map((name) => name.trim().replace(/^type\s+/, ''))
    .filter((name) => name !== '');
}

function importedNames(clause: string, code: string): readonly string[] | 'all' {
  const names: string[] = [];
  const braces = /\{([^}]*)\}/.exec(clause);
  if (braces) names.push(...outerNames(braces[1]!));
  const namespace = /\*\s+as\s+(\w+)/.exec(clause);
  if (namespace) {
    for (const use of code.matchAll(new RegExp(`\\b${namespace[1]!}\\.(\\w+)`, 'g'))) names.push(use[1]!);
  }
  const withoutBraces = clause.replace(/\{[^}]*\}/, '').replace(/\*\s+as\s+\w+/, '');
  if (/^\s*(?:type\s+)?\w+/.test(withoutBraces.replace(/^\s*type\s*$/, ''))) names.push('default');
  return names;
}

function findImports(source: string, { code, literals }: Lexed): Import[] {
  const found: Import[] = [];
  for (const match of code.matchAll(/(?<![.\w])import\b(?!\s*\.)/g)) {
    const after = match.index + 'import'.length;
    const literal = literals.find(({ offset }) => offset >= after);
    if (literal === undefined) continue;
    const clause = code.slice(after, literal.offset);
    const line = lineAt(source, match.index);
    if (/^\s*\(\s*$/.test(clause)) found.push({ specifier: literal.text, line, names: 'all' });
    else if (/^\s*$/.test(clause)) found.push({ specifier: literal.text, line, names: [] });
    else if (/\bfrom\s*$/.test(clause)) {
      const names = importedNames(clause.replace(/\bfrom\s*$/, ''), code);
      found.push({ specifier: literal.text, line, names });
    }
  }
  return found;
}

const declaration =
  /^export\s+(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(?:const|let|var|function\s*\*?|class|type|interface|enum)\s+(\w+)/;
const destructuring = /^export\s+(?:const|let|var)\s+[{[]([^}\]]*)[}\]]\s*=/;
const list = /^export\s+(?:type\s+)?\{([^}]*)\}(\s*from\s*$)?/;
const star = /^export\s+(?:type\s+)?\*\s*(?:as\s+(\w+)\s*)?from\s*$/;

/** The exports of a source, and the imports that its re-exports are. */
function findExports(source: string, { code, literals }: Lexed): { exports: Export[]; imports: Import[] } {
  const exports: Export[] = [];
  const imports: Import[] = [];
  for (const match of code.matchAll(/^export\b/gm)) {
    const line = lineAt(source, match.index);
    const literal = literals.find(({ offset }) => offset > match.index);
    const rest = code.slice(match.index);
    const upToLiteral = literal === undefined ? '' : code.slice(match.index, literal.offset);
    const add = (names: readonly string[]): unknown => exports.push(...names.map((name) => ({ name, line })));
    const everything = star.exec(upToLiteral);
    const named = list.exec(upToLiteral) ?? list.exec(rest);
    if (everything) {
      add([everything[1] ?? '*']);
      imports.push({ specifier: literal!.text, line, names: 'all' });
    } else if (named) {
      add(innerNames(named[1]!));
      if (named[2] !== undefined) imports.push({ specifier: literal!.text, line, names: outerNames(named[1]!) });
    } else if (/^export\s+default\b/.test(rest)) add(['default']);
    else if (declaration.test(rest)) add([declaration.exec(rest)![1]!]);
    else if (destructuring.test(rest)) {
      add(splitNames(destructuring.exec(rest)![1]!).map((name) => name.split(':').at(-1)!.trim()));
    } else throw new Error(`cannot read the export at line ${line}: ${rest.slice(0, 60)}`);
  }
  return { exports, imports };
}

/** Reads what a source imports, exports and mentions. `path` is kept as it is. */
export function readModule(path: string, source: string): Module {
  const lexed = lex(source);
  const found = findExports(source, lexed);
  const imports = [...findImports(source, lexed), ...found.imports];
  const imported = new Set(imports.map(({ specifier }) => specifier));
  const mentions = lexed.literals
    .filter(({ text }) => /^\.\.?\/[\w./-]+\.[jt]s$/.test(text) && !imported.has(text))
    .map(({ text, offset }): Import => ({ specifier: text, line: lineAt(source, offset), names: 'all' }));
  return { path, source, code: lexed.code, imports, exports: found.exports, mentions };
}
