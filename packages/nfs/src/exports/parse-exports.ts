import { AshlarError } from '@ashlar/core';
import type { SquashRules } from '../server/exports.ts';
import { parseClient, type ClientPattern } from './client-pattern.ts';

/** By which rules clients use an export (exports(5)). */
export type ExportRules = {
  readonly readOnly: boolean;
  readonly sync: boolean;
  /** Only from ports below 1024, which only root of a machine gives. */
  readonly secure: boolean;
  readonly squash: SquashRules;
  /** Clients are told of access control lists, and set them. */
  readonly acls: boolean;
};

/** To whom something is exported, and by which rules. */
export type ExportClient = { readonly client: ClientPattern; readonly rules: ExportRules };

/** A directory or a file volume that is exported. */
export type ExportLine = {
  readonly path: string;
  /** The line of the file, from 1 on; the first where several are of the path. */
  readonly line: number;
  readonly clients: readonly ExportClient[];
};

/** As exportfs takes it where nothing is said. */
const nobody = 65_534;
export const defaultRules: ExportRules = {
  readOnly: true,
  sync: true,
  secure: true,
  squash: { who: 'root', anonymousUid: nobody, anonymousGid: nobody },
  acls: true,
};

/** Options that are of no meaning here, as nothing is done otherwise with them or without. */
const meaningless: ReadonlySet<string> = new Set([
  'auth_nlm',
  'crossmnt',
  'hide',
  'insecure_locks',
  'no_auth_nlm',
  'no_pnfs',
  'no_subtree_check',
  'no_wdelay',
  'nocrossmnt',
  'nohide',
  'secure_locks',
  'sec=sys',
  'subtree_check',
  'wdelay',
]);

/** More than anybody writes for one path. */
const mostClients = 10_000;

const switches: Readonly<Record<string, (rules: ExportRules) => ExportRules>> = {
  ro: (rules) => ({ ...rules, readOnly: true }),
  rw: (rules) => ({ ...rules, readOnly: false }),
  sync: (rules) => ({ ...rules, sync: true }),
  async: (rules) => ({ ...rules, sync: false }),
  secure: (rules) => ({ ...rules, secure: true }),
  insecure: (rules) => ({ ...rules, secure: false }),
  acl: (rules) => ({ ...rules, acls: true }),
  no_acl: (rules) => ({ ...rules, acls: false }),
  root_squash: (rules) => squashing(rules, { who: 'root' }),
  no_root_squash: (rules) => squashing(rules, { who: 'none' }),
  all_squash: (rules) => squashing(rules, { who: 'all' }),
  no_all_squash: (rules) => (rules.squash.who === 'all' ? squashing(rules, { who: 'root' }) : rules),
};

const squashing = (rules: ExportRules, squash: Partial<SquashRules>): ExportRules => ({
  ...rules,
  squash: { ...rules.squash, ...squash },
});

/** Parses a file of the form of /etc/exports. Throws `invalid`, with the line. */
export function parseExports(text: string): ExportLine[] {
  const exports = new Map<string, ExportLine>();
  for (const { line, words } of linesOf(text)) {
    const [path, ...rest] = words;
    if (path === undefined) continue;
    if (!path.startsWith('/')) throw fault(line, `'${path}' is no path: it begins with no slash`);
    const earlier = exports.get(path);
    const clients = [...(earlier?.clients ?? []), ...clientsOf(rest, atLine(line))];
    checkClients(clients, (what) => fault(line, `${what} for '${path}'`));
    exports.set(path, { path, line: earlier?.line ?? line, clients });
  }
  return [...exports.values()];
}

/** Parses what stands behind the path in a line of such a file, such as `10.0.0.0/8(rw) *(ro)`. Throws `invalid`. */
export function parseClients(text: string): ExportClient[] {
  const told: Fault = (what) => new AshlarError('invalid', what);
  const words = [...linesOf(text.replaceAll('\n', ' '))].flatMap((each) => each.words);
  const clients = clientsOf(words, told);
  checkClients(clients, told);
  return clients;
}

/** As exportfs writes them. */
export function clientText({ client, rules }: Pick<ExportClient, 'rules'> & { readonly client: string }): string {
  const { acls, readOnly, secure, squash, sync } = rules;
  const who = {
    none: 'no_root_squash,no_all_squash',
    root: 'root_squash,no_all_squash',
    all: 'root_squash,all_squash',
  };
  const ids = [
    ...(squash.anonymousUid === nobody ? [] : [`anonuid=${squash.anonymousUid}`]),
    ...(squash.anonymousGid === nobody ? [] : [`anongid=${squash.anonymousGid}`]),
  ];
  const options = [
    sync ? 'sync' : 'async',
    readOnly ? 'ro' : 'rw',
    secure ? 'secure' : 'insecure',
    who[squash.who],
    ...ids,
    ...(acls ? [] : ['no_acl']),
  ];
  return `${client}(${options.join(',')})`;
}

type Fault = (what: string) => AshlarError;

function checkClients(clients: readonly ExportClient[], told: Fault): void {
  if (clients.length > mostClients) throw told(`there are more than ${mostClients} clients`);
  const named = new Set<string>();
  for (const { client } of clients) {
    if (named.has(client.text)) throw told(`'${client.text}' is named twice`);
    named.add(client.text);
  }
}

function clientsOf(words: readonly string[], told: Fault): ExportClient[] {
  let rules = defaultRules;
  const clients: ExportClient[] = [];
  for (const word of words) {
    if (word.startsWith('-')) {
      rules = withOptions(defaultRules, word.slice(1), told);
      continue;
    }
    const [, name = '', options] = /^([^()]*)(?:\(([^()]*)\))?$/.exec(word) ?? [];
    if (name === '' && options === undefined) throw told(`'${word}' is no client with its options`);
    const client = clientOf(name === '' ? '*' : name, told);
    clients.push({ client, rules: options === undefined ? rules : withOptions(rules, options, told) });
  }
  // As exportfs: what is exported to nobody is exported to everybody.
  return clients.length === 0 ? [{ client: parseClient('*'), rules }] : clients;
}

function clientOf(text: string, told: Fault): ClientPattern {
  try {
    return parseClient(text);
  } catch (error) {
    throw error instanceof AshlarError ? told(error.message) : error;
  }
}

function withOptions(rules: ExportRules, options: string, told: Fault): ExportRules {
  let next = rules;
  for (const option of options.split(',').filter((each) => each !== '')) next = withOption(next, option, told);
  return next;
}

function withOption(rules: ExportRules, option: string, told: Fault): ExportRules {
  const change = switches[option];
  if (change !== undefined) return change(rules);
  if (meaningless.has(option) || option.startsWith('fsid=')) return rules;
  const [, name, value] = /^(anonuid|anongid)=(-?\d+)$/.exec(option) ?? [];
  if (option.startsWith('sec='))
    throw told(`the option '${option}' is not known here: clients say who calls, which is sec=sys`);
  if (name === undefined) throw told(`the option '${option}' is not known here`);
  const id = Number(value) >>> 0;
  return squashing(rules, name === 'anonuid' ? { anonymousUid: id } : { anonymousGid: id });
}

const fault = (line: number, what: string): AshlarError =>
  new AshlarError('invalid', `line ${line} of the exports: ${what}`);

const atLine =
  (line: number): Fault =>
  (what) =>
    fault(line, what);

/** Lines with something on them; one that ends in a backslash goes on in the next. */
function* linesOf(text: string): Generator<{ readonly line: number; readonly words: string[] }> {
  let joined = '';
  let first = 1;
  for (const [at, raw] of text.split('\n').entries()) {
    if (joined === '') first = at + 1;
    if (raw.endsWith('\\')) {
      joined += `${raw.slice(0, -1)} `;
      continue;
    }
    yield { line: first, words: wordsOf(joined + raw, first) };
    joined = '';
  }
  if (joined !== '') yield { line: first, words: wordsOf(joined, first) };
}

/** Words are parted by blanks; a quoted one may have some, and any character may be written in octal: `\040`. */
function wordsOf(text: string, line: number): string[] {
  const words: string[] = [];
  const pattern = /\s*(?:#.*$|"([^"]*)"|([^\s"#]+)|$)/gy;
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (match === null) throw fault(line, 'a quote is not closed, or something stands before one');
    const [, quoted, plain] = match;
    const word = quoted ?? plain;
    if (word !== undefined)
      words.push(word.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8))));
  }
  return words;
}
