import { Tokens } from './tokens.ts';
import type { Scalar, Section, Value } from './tree.ts';

/** LVM's own texts have four levels. */
const mostDepth = 16;

/** Parses LVM's text: sections in braces, values behind `=`, lists in brackets. Throws `corrupt`. */
export function parseText(text: string, path: string): Section {
  const tokens = new Tokens(text, path);
  return entriesOf(tokens, 0);
}

function entriesOf(tokens: Tokens, depth: number): Section {
  if (depth > mostDepth) throw tokens.fault('sections lie too deep in each other');
  const section = new Map<string, Value | Section>();
  for (;;) {
    if (tokens.peek().kind === 'end' && depth === 0) return section;
    if (depth > 0 && tokens.takes('}')) return section;
    const name = nameOf(tokens);
    if (section.has(name)) throw tokens.fault(`'${name}' is there twice`);
    if (tokens.takes('{')) section.set(name, entriesOf(tokens, depth + 1));
    else if (tokens.takes('=')) section.set(name, valueOf(tokens));
    else throw tokens.fault(`neither a section nor a value stands behind '${name}'`);
  }
}

/** LVM writes names without quotes; ones that are all digits look like numbers. */
function nameOf(tokens: Tokens): string {
  const token = tokens.take();
  if (token.kind === 'name') return token.name;
  if (token.kind === 'value') return token.text;
  throw tokens.fault('a name is needed');
}

function valueOf(tokens: Tokens): Value {
  if (!tokens.takes('[')) return scalarOf(tokens);
  const list: Scalar[] = [];
  while (!tokens.takes(']')) {
    list.push(scalarOf(tokens));
    if (!tokens.takes(',') && !isAtEndOfList(tokens)) throw tokens.fault('a list goes on without a comma');
  }
  return list;
}

function isAtEndOfList(tokens: Tokens): boolean {
  const token = tokens.peek();
  return token.kind === 'sign' && token.sign === ']';
}

function scalarOf(tokens: Tokens): Scalar {
  const token = tokens.take();
  if (token.kind === 'value') return token.value;
  if (token.kind === 'name') return token.name;
  throw tokens.fault('a value is needed');
}
