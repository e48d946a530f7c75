/** A string literal of a source: where its opening quote stands, and what is between the quotes, escapes untouched. */
type Literal = { readonly offset: number; readonly text: string };

/**
 * A source seen twice: `code` has the same length and lines, with comments, the text of strings and regular
 * expressions blanked, so that a search finds code only; `literals` has the strings. Templates are blanked but for
 * the code in their `${}`.
 */
export type Lexed = { readonly code: string; readonly literals: readonly Literal[] };

const blank = (text: string): string => text.replace(/[^\n]/g, ' ');

/** After these a slash starts a regular expression; after anything else it divides. */
const beforeRegExp = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|void|throw|await|yield))\s*$/;

function endOfString(source: string, start: number): number {
  const quote = source[start];
  let at = start + 1;
  while (at < source.length && source[at] !== quote) at += source[at] === '\\' ? 2 : 1;
  return Math.min(at + 1, source.length);
}

function endOfRegExp(source: string, start: number): number {
  let inClass = false;
  let at = start + 1;
  for (; at < source.length && source[at] !== '\n'; at++) {
    const character = source[at];
    if (character === '\\') at++;
    else if (character === '[') inClass = true;
    else if (character === ']') inClass = false;
    else if (character === '/' && !inClass) break;
  }
  return Math.min(at + 1, source.length);
}

/** Where a stretch of template text ends: behind the closing backtick or behind `${`. */
function endOfTemplateText(source: string, start: number): number {
  let at = start;
  while (at < source.length) {
    if (source[at] === '\\') at += 2;
    else if (source[at] === '`') return at + 1;
    else if (source.startsWith('${', at)) return at + 2;
    else at++;
  }
  return source.length;
}

class Lexer {
  readonly #source: string;
  #code = '';
  readonly #literals: Literal[] = [];
  /** The brace depth of each template expression that is open. */
  readonly #templates: number[] = [];
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
  }

  run(): Lexed {
    while (this.#code.length < this.#source.length) this.#step(this.#code.length);
    return { code: this.#code, literals: this.#literals };
  }

  #step(at: number): void {
    const source = this.#source;
    const character = source[at]!;
    if (source.startsWith('//', at) || (at === 0 && source.startsWith('#!'))) this.#blankTo(source.indexOf('\n', at));
    else if (source.startsWith('/*', at)) this.#blankTo(source.indexOf('*/', at + 2) + 2);
    else if (character === "'" || character === '"') this.#string(at);
    else if (character === '`') this.#template(at + 1, '`');
    else if (character === '/' && beforeRegExp.test(this.#code.slice(-40))) this.#blankTo(endOfRegExp(source, at));
    else if (character === '}' && this.#templates.at(-1) === this.#depth) {
      this.#templates.pop();
      this.#template(at + 1, '}');
    } else {
      if (character === '{') this.#depth++;
      if (character === '}') this.#depth--;
      this.#code += character;
    }
  }

  #blankTo(end: number): void {
    const stop = end < this.#code.length ? this.#source.length : end;
    this.#code += blank(this.#source.slice(this.#code.length, stop));
  }

  #string(at: number): void {
    const end = endOfString(this.#source, at);
    const text = this.#source.slice(at + 1, end - 1);
    this.#literals.push({ offset: at, text });
    this.#code += `'${blank(text)}'`.slice(0, end - at);
  }

  #template(textStart: number, opening: string): void {
    const end = endOfTemplateText(this.#source, textStart);
    const expression = this.#source.startsWith('${', end - 2);
    if (expression) this.#templates.push(this.#depth);
    const closing = expression ? '${' : '`';
    const textEnd = Math.max(textStart, end - closing.length);
    this.#code += (opening + blank(this.#source.slice(textStart, textEnd)) + closing).slice(0, end - textStart + 1);
  }
}

/** Separates a source's code from its comments and strings. */
export const lex = (source: string): Lexed => new Lexer(source).run();

/** The line of an offset, from 1. */
export const lineAt = (source: string, offset: number): number => source.slice(0, offset).split('\n').length;
