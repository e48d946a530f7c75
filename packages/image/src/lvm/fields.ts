import { AshlarError } from '@ashlar/core';
import { isSection, type Section, type Value } from './text/tree.ts';
import { isUuid } from './uuid.ts';

/** Reads a section by names; what was not asked for is known at the end. Throws `corrupt` where a value is not what it must be. */
export class Fields {
  readonly #section: Section;
  readonly #where: string;
  readonly #asked = new Set<string>();

  /** `where`: what the section is of, for people. */
  constructor(section: Section, where: string) {
    this.#section = section;
    this.#where = where;
  }

  /** A whole number from 0 on. */
  number(name: string, otherwise?: number): number {
    const found = this.#value(name) ?? otherwise;
    if (typeof found === 'number' && found >= 0) return found;
    throw this.fault(`'${name}' is not a number`);
  }

  string(name: string, otherwise?: string): string {
    const found = this.optional(name) ?? otherwise;
    if (found !== undefined) return found;
    throw this.fault(`'${name}' is missing`);
  }

  optional(name: string): string | undefined {
    const found = this.#value(name);
    if (found === undefined || typeof found === 'string') return found;
    throw this.fault(`'${name}' is not a string`);
  }

  uuid(name: string): string {
    const found = this.string(name);
    if (isUuid(found)) return found;
    throw this.fault(`'${name}' is not an id`);
  }

  /** A list of strings; LVM writes some lists of one as a string alone. */
  strings(name: string): readonly string[] {
    const found = this.list(name);
    const strings = found.filter((each) => typeof each === 'string');
    if (strings.length === found.length) return strings;
    throw this.fault(`'${name}' is not a list of strings`);
  }

  list(name: string): Extract<Value, readonly unknown[]> {
    const found = this.#value(name);
    if (found === undefined) return [];
    return Array.isArray(found) ? (found as Extract<Value, readonly unknown[]>) : [found as string];
  }

  section(name: string): Section {
    this.#asked.add(name);
    const found = this.#section.get(name);
    if (found === undefined) return new Map();
    if (isSection(found)) return found;
    throw this.fault(`'${name}' is not a section`);
  }

  /** Names of what is there and was not asked for, and is not among `known`. */
  unknown(known: readonly string[]): string[] {
    return [...this.#section.keys()].filter((name) => !this.#asked.has(name) && !known.includes(name));
  }

  fault(how: string): AshlarError {
    return new AshlarError('corrupt', `the metadata of ${this.#where} cannot be right: ${how}`);
  }

  #value(name: string): Value | undefined {
    this.#asked.add(name);
    const found = this.#section.get(name);
    if (isSection(found)) throw this.fault(`'${name}' is a section`);
    return found;
  }
}
