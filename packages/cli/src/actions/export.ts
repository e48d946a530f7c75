import { isAbsolute, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ExportView } from '@ashlar/server';
import { exportPath } from '../api-paths.ts';
import { AdminClient } from '../client.ts';
import type { ServerOptions } from '../options.ts';
import { facts, print, show, sizeText, table, type Column } from '../output.ts';
import { snippet } from '../snippets.ts';
import type { SnippetFormat } from '../snippet-formats.ts';

const columns: readonly Column<ExportView>[] = [
  { title: 'NAME', text: ({ name }) => name },
  { title: 'SOURCE', text: ({ volume, uri }) => volume ?? uri ?? '' },
  { title: 'MODE', text: ({ readOnly }) => (readOnly ? 'ro' : 'rw') },
  { title: 'ALLOW', text: ({ allow }) => (allow.length === 0 ? 'all' : allow.join(',')) },
  { title: 'OVER', text: ({ over }) => over.join(',') },
  { title: 'CLIENTS', text: ({ connections }) => String(connections), right: true },
  { title: 'URI', text: ({ uris }) => uris[0] ?? '' },
];

function describe(item: ExportView): string {
  const { name, volume, uri, readOnly, resizable, allow, over, created, sizeBytes, connections, uris } = item;
  return facts([
    ['name', name],
    ['volume', volume],
    ['source', uri],
    ['size', sizeText(sizeBytes)],
    ['mode', readOnly ? 'read-only' : `read and write${resizable ? ', resizable by clients' : ''}`],
    ['allow', allow.length === 0 ? 'all that may connect' : allow.join(', ')],
    ['over', over.join(', ')],
    ['created', created],
    ['clients', String(connections)],
    ...uris.map((each): [string, string] => ['uri', each]),
  ]);
}

/** A path is taken as the file it names here; the server may run in another directory. */
function sourceOf(text: string): string {
  if (isAbsolute(text) || text.startsWith('./') || text.startsWith('../')) return pathToFileURL(resolve(text)).href;
  const relative = /^file:(?!\/)(.+)$/.exec(text)?.[1];
  return relative === undefined ? text : pathToFileURL(resolve(relative)).href;
}

export async function add(
  name: string,
  source: string,
  options: ServerOptions & { readOnly?: boolean; resizable?: boolean; allow?: string[]; over: string },
): Promise<void> {
  const { readOnly = false, resizable = false, allow = [], over } = options;
  const request = { name, source: sourceOf(source), readOnly, resizable, allow, over: [over] };
  const made = await AdminClient.find(options).post<ExportView>('/v1/exports', request);
  show(options.json, made, () => `${name} is offered at ${made.uris[0] ?? 'no address'}`);
}

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
