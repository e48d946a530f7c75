/** Names that are put in order when somebody asks for them so: until then each costs nothing. */
export class SortedNames {
  #sorted: string[] = [];
  /** Those that came since. */
  #added: string[] = [];

  /** One that is not there yet. */
  add(name: string): void {
    this.#added.push(name);
  }

  /** All names in order, and the place of the first that is not below one. */
  from(first: string): { readonly names: readonly string[]; at: number } {
    if (this.#added.length > 0) {
      this.#sorted = merged(this.#sorted, this.#added.sort(compare));
      this.#added = [];
    }
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sorted[middle]! < first) low = middle + 1;
      else high = middle;
    }
    return { names: this.#sorted, at: low };
  }
}

const compare = (one: string, other: string): number => (one < other ? -1 : 1);

function merged(one: readonly string[], other: readonly string[]): string[] {
  if (one.length === 0) return [...other];
  const names: string[] = [];
  let at = 0;
  for (const name of other) {
    while (at < one.length && one[at]! < name) names.push(one[at++]!);
    names.push(name);
  }
  while (at < one.length) names.push(one[at++]!);
  return names;
}
