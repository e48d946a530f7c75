import { print } from '../output.ts';

/**
 * Prints facts and then rows as they are found: a pool has more of them than memory should. As JSON it is one object, the
 * rows its last member. Where the output is a pipe or a file a write has ended when it returns, so nothing gathers.
 */
export class Rows {
  readonly #json: boolean;
  #count = 0;

  constructor(json: boolean | undefined, facts: object, name: string, text: string) {
    this.#json = json === true;
    const members = Object.entries({ ...facts }).filter(([, value]) => value !== undefined);
    const head = members.map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)},`);
    if (this.#json) print(['{', ...head, `${JSON.stringify(name)}: [`].join('\n'));
    else if (text !== '') print(text);
  }

  add(row: object, text: string): void {
    print(this.#json ? `${this.#count === 0 ? '' : ','}${JSON.stringify(row)}` : text);
    this.#count += 1;
  }

  /** `none` is said where there were no rows. */
  end(none: string): void {
    if (this.#json) print(']}');
    else if (this.#count === 0) print(none);
  }
}
