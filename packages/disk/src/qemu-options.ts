import { AshlarError } from '@ashlar/core';
import type { ImageFormat } from '@ashlar/image';
import { schemeOf } from './names.ts';

/** A disk by the name that `openDisk` takes, and its format where that is said. */
export type NamedDisk = { readonly name: string; readonly format: ImageFormat | undefined };

type Fields = ReadonlyMap<string, string>;

/** Options of QEMU's that say how fast a disk is, or what QEMU calls it, and not which one it is. */
const tuning: ReadonlySet<string> = new Set([
  'aio',
  'auto-read-only',
  'cache-clean-interval',
  'cache-size',
  'cache.direct',
  'cache.no-flush',
  'cache.writeback',
  'detect-zeroes',
  'discard',
  'l2-cache-entry-size',
  'l2-cache-size',
  'node-name',
  'read-only',
  'reconnect-delay',
  'refcount-cache-size',
]);

/** Stands for two commas: no word of a command has it. */
const doubled = '\0';

/** `NAME=VALUE,NAME=VALUE` as QEMU has it: two commas are one in a value, and of two values of one name the last one counts. */
export function parseFields(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const part of text.replaceAll(',,', doubled).split(',')) {
    const [name = '', ...value] = part.replaceAll(doubled, ',').split('=');
    if (value.length === 0) throw new AshlarError('invalid', `'${text}': '${name}' is no NAME=VALUE`);
    fields.set(name, value.join('='));
  }
  return fields;
}

/**
 * The disk that options of QEMU's block drivers name, as `--image-opts` of its programs takes them: `driver=qcow2,file.filename=PATH`,
 * `driver=nbd,server.type=unix,server.path=PATH,export=NAME` (qapi/block-core.json, BlockdevOptions). Throws `invalid` for what names none, and `unsupported`
 * for drivers and options that are not known here.
 */
export function parseQemuOptions(text: string): NamedDisk {
  const fields = parseFields(text);
  const driver = fields.get('driver');
  const format = driver === 'raw' || driver === 'qcow2' ? driver : undefined;
  if (driver !== undefined && format === undefined) {
    // What is below a format is given by itself: its bytes are the disk's.
    const name = nameOf(text, fields);
    return { name, format: driver === 'nbd' ? undefined : 'raw' };
  }
  const below = new Map<string, string>();
  for (const [name, value] of fields) {
    if (name.startsWith('file.')) below.set(name.slice('file.'.length), value);
    else if (name !== 'driver' && !tuning.has(name)) throw unknown(text, name);
  }
  if (below.size > 0) return { name: nameOf(text, below), format };
  throw new AshlarError('invalid', `'${text}' names no disk: write driver=FORMAT,file.filename=PATH`);
}

function nameOf(text: string, fields: Fields): string {
  const driver = fields.get('driver') ?? 'file';
  const names = driver === 'nbd' ? nbdNames : ['filename'];
  if (driver !== 'file' && driver !== 'host_device' && driver !== 'nbd') {
    throw new AshlarError('unsupported', `'${text}': the driver '${driver}' is not known here`);
  }
  for (const name of fields.keys())
    if (name !== 'driver' && !tuning.has(name) && !names.includes(name)) throw unknown(text, name);
  const name = driver === 'nbd' ? nbdName(fields) : pathIn(fields);
  if (name !== undefined && name !== '') return name;
  throw new AshlarError('invalid', `'${text}' names no ${driver === 'nbd' ? 'server' : 'file'}`);
}

/** It is a path, whatever it looks like. */
function pathIn(fields: Fields): string | undefined {
  const path = fields.get('filename');
  return path === undefined || schemeOf(path) === undefined ? path : `./${path}`;
}

const nbdNames = ['server.type', 'server.host', 'server.port', 'server.path', 'host', 'port', 'path', 'export'];

/** As QEMU: a server's address, or by the older names of its parts. */
function nbdName(fields: Fields): string | undefined {
  const path = fields.get('server.path') ?? fields.get('path');
  const host = fields.get('server.host') ?? fields.get('host');
  const port = fields.get('server.port') ?? fields.get('port') ?? '10809';
  const name = encodeURIComponent(fields.get('export') ?? '');
  if (path !== undefined) return `nbd+unix:///${name}?socket=${encodeURIComponent(path)}`;
  if (host === undefined) return undefined;
  return `nbd://${host.includes(':') ? `[${host}]` : host}:${port}/${name}`;
}

const unknown = (text: string, name: string): AshlarError =>
  new AshlarError('unsupported', `'${text}': the option '${name}' is not known here`);
