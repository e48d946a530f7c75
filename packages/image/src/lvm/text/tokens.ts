import { AshlarError } from '@ashlar/core';
import type { Scalar } from './tree.ts';

export type Sign = '{' | '}' | '[' | ']' | '=' | ',';

/** `name`: a word without quotes. A value's text is what stands there, without quotes. */
export type Token =
  | { readonly kind: 'sign'; readonly sign: Sign }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'value'; readonly value: Scalar; readonly text: string }
  | { readonly kind: 'end' };

const space = /[ \t\r\n\0]*/y;
const comment = /#[^\n]*/y;
const sign = /[{}[\]=,]/y;
const number = /[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?![\w.+-])/y;
const word = /[A-Za-z0-9_.+@-]+/y;

/** The tokens of LVM's text, one after the other. Throws `corrupt` at what is none. */
export class Tokens {
  readonly #text: string;
  readonly #path: string;
  #at = 0;
  #next: Token | undefined;

  constructor(text: string, path: string) {
    this.#text = text;
    this.#path = path;
  }

  peek(): Token {
    return (this.#next ??= this.#read());
  }

  take(): Token {
    const token = this.peek();
    this.#next = undefined;
    return token;
  }

  /** Takes the sign where it is next. */
  takes(wanted: Sign): boolean {
    const token = this.peek();
    if (token.kind !== 'sign' || token.sign !== wanted) return false;
    this.take();
    return true;
  }

  fault(how: string): AshlarError {
    const line = this.#text.slice(0, this.#at).split('\n').length;
    return new AshlarError('corrupt', `the metadata of '${this.#path}' cannot be read at line ${line}: ${how}`, {
      path: this.#path,
    });
  }

  #read(): Token {
    do this.#match(space);
    while (this.#match(comment) !== undefined);
    if (this.#at >= this.#text.length) return { kind: 'end' };
    const found = this.#match(sign);
    if (found !== undefined) return { kind: 'sign', sign: found[0] as Sign };
    const quote = this.#text[this.#at];
    if (quote === '"' || quote === "'") {
      const text = this.#quoted(quote);
      return { kind: 'value', value: text, text };
    }
    const digits = this.#match(number);
    if (digits !== undefined) return { kind: 'value', value: this.#numberOf(digits[0]), text: digits[0] };
    const name = this.#match(word);
    if (name !== undefined) return { kind: 'name', name: name[0] };
    throw this.fault('what is there is neither a name nor a value');
  }

  /** Up to the next quote; in double ones a backslash stands before what is meant as it is. */
  #quoted(quote: string): string {
    const start = this.#at + 1;
    let end = this.#text.indexOf(quote, start);
    while (end >= 0 && quote === '"' && this.#isEscaped(start, end)) end = this.#text.indexOf(quote, end + 1);
    if (end < 0) throw this.fault('a string does not end');
    this.#at = end + 1;
    const found = this.#text.slice(start, end);
    return quote === '"' ? found.replaceAll(/\\(["\\])/g, '$1') : found;
  }

  /** An odd number of backslashes stands before it. */
  #isEscaped(start: number, at: number): boolean {
    let first = at;
    while (first > start && this.#text[first - 1] === '\\') first -= 1;
    return (at - first) % 2 === 1;
  }

  #numberOf(digits: string): Scalar {
    if (digits.includes('.')) return { digits };
    const value = Number(digits);
    if (!Number.isSafeInteger(value)) throw this.fault(`the number ${digits} is too large`);
    return value;
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return undefined;
    this.#at = pattern.lastIndex;
    return found;
  }
}
