import { statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ExportView } from '@ashlar/server';
import { exportPath } from '../api-paths.ts';
import { AdminClient } from '../client.ts';
import { UsageError } from '../failure.ts';
import type { ServerOptions } from '../options.ts';
import { facts, print, show, sizeText, table, type Column } from '../output.ts';
import { snippet } from '../snippets.ts';
import type { SnippetFormat } from '../snippet-formats.ts';

/** Whom it is for. */
function allowText({ allow, clients }: ExportView): string {
  if (clients !== undefined) return clients.replaceAll(/\([^)]*\)/g, '').replaceAll(' ', ',');
  return allow.length === 0 ? 'all' : allow.join(',');
}

const columns: readonly Column<ExportView>[] = [
  { title: 'NAME', text: ({ name }) => name },
  { title: 'SOURCE', text: ({ volume, uri }) => volume ?? uri ?? '' },
  { title: 'MODE', text: ({ readOnly }) => (readOnly ? 'ro' : 'rw') },
  { title: 'ALLOW', text: allowText },
  { title: 'OVER', text: ({ over }) => over.join(',') },
  { title: 'CLIENTS', text: ({ connections }) => String(connections), right: true },
  { title: 'URI', text: ({ uris }) => uris[0] ?? '' },
];

function describe(item: ExportView): string {
  const { name, volume, uri, readOnly, resizable, allow, clients, over, created, sizeBytes, connections, uris } = item;
  return facts([
    ['name', name],
    ['volume', volume],
    ['source', uri],
    ['size', sizeText(sizeBytes)],
    ['mode', readOnly ? 'read-only' : `read and write${resizable ? ', resizable by clients' : ''}`],
    ...(clients === undefined
      ? [['allow', allow.length === 0 ? 'all that may connect' : allow.join(', ')] as const]
      : clients.split(' ').map((each) => ['client', each] as const)),
    ['over', over.join(', ')],
    ['rules', rulesText(item)],
    ['file', item.file],
    ['created', created],
    ['clients', String(connections)],
    ...uris.map((each): [string, string] => ['uri', each]),
  ]);
}

/** What is said of NFS. */
type Rules = {
  readonly acl?: boolean;
  readonly async?: boolean | undefined;
  readonly secure?: boolean | undefined;
  readonly squash?: string;
  readonly anonuid?: number;
  readonly anongid?: number;
  readonly clients?: string;
};

/** As the API takes them. */
const rulesOf = ({ acl, anongid, anonuid, async, secure, squash }: Rules): object => ({
  ...(async === undefined ? {} : { sync: !async }),
  ...(secure === undefined ? {} : { secure }),
  ...(squash === undefined ? {} : { squash }),
  ...(anonuid === undefined ? {} : { anonymousUid: anonuid }),
  ...(anongid === undefined ? {} : { anonymousGid: anongid }),
  ...(acl === undefined ? {} : { acls: acl }),
});

/** As exports(5) says them. */
function rulesText({ nfs }: ExportView): string | undefined {
  if (nfs === undefined) return undefined;
  const squash = { none: 'no_root_squash', root: 'root_squash', all: 'all_squash' }[nfs.squash];
  const nobody = `anonuid=${nfs.anonymousUid},anongid=${nfs.anonymousGid}`;
  const hidden = nfs.acls === false ? ['no_acl'] : [];
  return [nfs.sync ? 'sync' : 'async', nfs.secure ? 'secure' : 'insecure', squash, nobody, ...hidden].join(',');
}

/** A path is taken as the file or directory that it names here; the server may run in another directory. */
function sourceOf(text: string): string {
  if (isAbsolute(text) || text.startsWith('./') || text.startsWith('../')) {
    const isDirectory = statSync(text, { throwIfNoEntry: false })?.isDirectory() === true;
    return uriOf(isDirectory ? 'dir' : 'file', text);
  }
  const [, scheme, relative] = /^(file|dir):(?!\/)(.+)$/.exec(text) ?? [];
  return scheme === undefined || relative === undefined ? text : uriOf(scheme, relative);
}

const uriOf = (scheme: string, path: string): string => pathToFileURL(resolve(path)).href.replace(/^file/, scheme);

export async function add(
  name: string,
  source: string,
  options: ServerOptions & Rules & { readOnly?: boolean; resizable?: boolean; allow?: string[]; over?: string },
): Promise<void> {
  const { readOnly = false, resizable = false, allow = [], clients, over } = options;
  const rules = rulesOf(options);
  const request = {
    name,
    source: sourceOf(source),
    readOnly,
    resizable,
    allow,
    ...(over === undefined ? {} : { over: [over] }),
    ...(Object.keys(rules).length === 0 ? {} : { nfs: rules }),
    ...(clients === undefined ? {} : { clients }),
  };
  const made = await AdminClient.find(options).post<ExportView>('/v1/exports', request);
  show(options.json, made, () => `${name} is offered at ${made.uris[0] ?? 'no address'}`);
}

/** What is said both ways, as commander has it: `--read-only` and `--read-write`. */
type Changed = Omit<Rules, 'async' | 'secure'> & {
  readonly readOnly?: boolean;
  readonly readWrite?: boolean;
  readonly resizable?: boolean;
  readonly allow?: string[];
  readonly allowAll?: boolean;
  readonly async?: boolean;
  readonly sync?: boolean;
  readonly secure?: boolean;
  readonly insecure?: boolean;
};

/** Of a switch and its opposite, of which one may be given. */
const either = (yes: boolean | undefined, no: boolean | undefined): boolean | undefined =>
  yes === true || no !== true ? yes : false;

export async function set(name: string, options: ServerOptions & Changed): Promise<void> {
  const { allow, allowAll, async, clients, insecure, readOnly, readWrite, resizable, secure, sync, ...others } =
    options;
  const rules = rulesOf({ ...others, async: either(async, sync), secure: either(secure, insecure) });
  const change = given({
    readOnly: either(readOnly, readWrite),
    resizable,
    allow: allowAll === true ? [] : allow,
    nfs: Object.keys(rules).length === 0 ? undefined : rules,
    clients,
  });
  if (Object.keys(change).length === 0)
    throw new UsageError(`nothing is to be changed: see 'ashlar export set --help'`);
  const changed = await AdminClient.find(options).patch<ExportView>(exportPath(name), change);
  show(options.json, changed, describe);
}

/** Without what was not said. */
const given = <T extends object>(values: T): Partial<T> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;

export async function list(options: ServerOptions): Promise<void> {
  const items = await AdminClient.find(options).get<ExportView[]>('/v1/exports');
  const empty = "no exports yet: make a volume with 'ashlar volume create NAME --size 10G'";
  show(options.json, items, () => (items.length === 0 ? empty : table(columns, items)));
}

export async function showOne(
  name: string,
  options: ServerOptions & { format?: SnippetFormat; unix?: boolean },
): Promise<void> {
  const item = await AdminClient.find(options).get<ExportView>(exportPath(name));
  if (options.format === undefined) show(options.json, item, describe);
  else {
    const text = snippet(item, options.format, options.unix === true);
    show(options.json, { format: options.format, text }, () => text);
  }
}

export async function remove(names: string[], options: ServerOptions & { force?: boolean }): Promise<void> {
  const client = AdminClient.find(options);
  // All are looked up first: a name that is typed wrong costs none of the others.
  for (const name of names) await client.get<unknown>(exportPath(name));
  for (const name of names) await client.delete(`${exportPath(name)}?force=${options.force === true}`);
  if (options.json === true) print(JSON.stringify({ removed: names }));
}
