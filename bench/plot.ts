import { verdict, type Figure, type Verdict } from './figure.ts';

const labelWidth = 430;
const plotWidth = 420;
const rowHeight = 24;
const top = 44;
/** Ratios are drawn from a quarter to eight, each doubling as wide as the next. */
const [least, most] = [0.25, 8];

const colours: Readonly<Record<Verdict, string>> = {
  below: '#c0392b',
  pass: '#2e86c1',
  'pass, aim reached': '#1e8449',
};

/** How good a value is as a ratio, more being better: of what should be small it is the floor to the value. */
const goodness = ({ unit, floor }: Figure, value: number): number =>
  unit === 'x' ? value : unit === 'a minute' ? value / floor : floor / value;

function across(ratio: number): number {
  const within = Math.min(most, Math.max(least, Number.isFinite(ratio) ? ratio : least));
  return labelWidth + (plotWidth * Math.log2(within / least)) / Math.log2(most / least);
}

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

function tick(x: number, y: number, colour: string): string {
  return `<line x1="${x}" y1="${y}" x2="${x}" y2="${y + rowHeight - 6}" stroke="${colour}" stroke-width="2"/>`;
}

function bar(figure: Figure, index: number): string {
  const y = top + index * rowHeight;
  const end = across(goodness(figure, figure.value));
  const zero = across(least);
  const shown = `${Number(figure.value.toPrecision(3))}${figure.unit === 'x' ? '×' : ` ${figure.unit}`}`;
  return [
    `<text x="${labelWidth - 8}" y="${y + 13}" text-anchor="end">${escape(figure.name)}</text>`,
    `<rect x="${zero}" y="${y + 2}" width="${Math.max(1, end - zero)}" height="${rowHeight - 10}" fill="${colours[verdict(figure)]}"/>`,
    tick(across(goodness(figure, figure.floor)), y, '#000000'),
    tick(across(goodness(figure, figure.aim)), y, '#d4ac0d'),
    `<text x="${end + 6}" y="${y + 13}">${shown}</text>`,
  ].join('\n');
}

function grid(bottom: number): string {
  const lines: string[] = [];
  for (let ratio = least; ratio <= most; ratio *= 2) {
    const x = across(ratio);
    lines.push(
      `<line x1="${x}" y1="${top - 8}" x2="${x}" y2="${bottom}" stroke="#dddddd"/>`,
      `<text x="${x}" y="${top - 12}" text-anchor="middle" fill="#666666">${ratio}</text>`,
    );
  }
  return lines.join('\n');
}

/** An SVG with a bar a figure, and where its floor (black) and aim (yellow) are. */
export function plot(figures: readonly Figure[]): string {
  const height = top + figures.length * rowHeight + 28;
  const width = labelWidth + plotWidth + 90;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12">
<rect width="${width}" height="${height}" fill="#ffffff"/>
${grid(height - 24)}
${figures.map(bar).join('\n')}
<text x="${labelWidth}" y="${height - 8}" fill="#666666">ratio to the peer, or of the floor to what was measured; black: floor, yellow: aim</text>
</svg>
`;
}
