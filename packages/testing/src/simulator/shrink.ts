export type Shrunk<T> = {
  readonly items: readonly T[];
  /** How often it was tried. */
  readonly tries: number;
};

/**
 * Cuts a list that fails to a small one that still does, by leaving out parts of it, large ones first (delta debugging). When it
 * ends before `mostTries`, no single item of the result can be left out.
 */
export async function shrink<T>(
  failing: readonly T[],
  fails: (items: readonly T[]) => Promise<boolean>,
  mostTries: number,
): Promise<Shrunk<T>> {
  let items = failing;
  let parts = Math.min(2, items.length);
  let tries = 0;
  while (parts > 0 && tries < mostTries) {
    const length = Math.ceil(items.length / parts);
    let isShorter = false;
    for (let at = 0; at < items.length && tries < mostTries;) {
      const rest = [...items.slice(0, at), ...items.slice(at + length)];
      tries += 1;
      if (await fails(rest)) {
        items = rest;
        isShorter = true;
      } else at += length;
    }
    if (items.length === 0) break;
    if (!isShorter && length === 1) break;
    parts = isShorter && length > 1 ? Math.ceil(items.length / length) : Math.min(items.length, parts * 2);
  }
  return { items, tries };
}
