import { isSection, type Scalar, type Section, type Value } from './tree.ts';

const escaped = (text: string): string => `"${text.replaceAll(/["\\]/g, '\\$&')}"`;

function scalarText(value: Scalar): string {
  if (typeof value === 'string') return escaped(value);
  return typeof value === 'number' ? String(value) : value.digits;
}

/** Places of a segment: LVM writes a pair a line. */
const isOfPairs = (value: readonly Scalar[]): boolean => value.length > 1 && typeof value[1] === 'number';

function valueText(value: Value): string {
  if (!Array.isArray(value)) return scalarText(value as Scalar);
  const list = value as readonly Scalar[];
  if (!isOfPairs(list)) return `[${list.map(scalarText).join(', ')}]`;
  const lines: string[] = [];
  for (let at = 0; at < list.length; at += 2)
    lines.push(
      list
        .slice(at, at + 2)
        .map(scalarText)
        .join(', '),
    );
  return `[\n${lines.join(',\n')}\n]`;
}

/** The text of a section, laid out as LVM does in a metadata area: without indents. */
export function printText(section: Section): string {
  return [...section]
    .map(([name, found]) =>
      isSection(found) ? `${name} {\n${printText(found)}}\n` : `${name} = ${valueText(found)}\n`,
    )
    .join('');
}
