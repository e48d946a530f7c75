/** A number with a point keeps its digits: nothing of ours reckons with it. */
export type Decimal = { readonly digits: string };

export type Scalar = number | string | Decimal;

export type Value = Scalar | readonly Scalar[];

/** A section of LVM's text: names and what they stand for, in their order. Never changed in place. */
export interface Section extends ReadonlyMap<string, Value | Section> {}

export const isSection = (found: Value | Section | undefined): found is Section => found instanceof Map;

/** The section with other entries; `undefined` takes one out. New ones come last. */
export function withEntries(section: Section, changes: Readonly<Record<string, Value | Section | undefined>>): Section {
  const next = new Map(section);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) next.delete(name);
    else next.set(name, value);
  }
  return next;
}

/** The sections in a section, by name. */
export function sectionsIn(section: Section): (readonly [string, Section])[] {
  return [...section].flatMap(([name, found]) => (isSection(found) ? [[name, found] as const] : []));
}
