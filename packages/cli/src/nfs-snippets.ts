import { AshlarError } from '@ashlar/core';
import type { ExportView } from '@ashlar/server';
import { escapeXml, inShell } from './quoting.ts';
import type { SnippetFormat } from './snippet-formats.ts';

/** An NFS export as clients find it. */
type Place = { readonly host: string; readonly port: string };

function placeOf(uri: string): Place {
  const { hostname, searchParams } = new URL(uri.replace(/^nfs:/, 'http:'));
  return { host: hostname, port: searchParams.get('nfsport') ?? '2049' };
}

/** No other port is asked for anything: neither port 111 nor a lock manager need be reached. */
const optionsOf = ({ port }: Place): string[] => [
  'vers=3',
  'proto=tcp',
  `port=${port}`,
  `mountport=${port}`,
  'mountproto=tcp',
  'nolock',
];

/** What mounts an export where Linux is: one line for a shell. `uri`: as the server says where it is. */
export function mountLine(name: string, uri: string): string {
  const place = placeOf(uri);
  return `mount -t nfs -o ${optionsOf(place).join(',')} ${inShell(`${place.host}:/${name}`)} ${inShell(`/mnt/${name}`)}`;
}

function fstabLine({ name, readOnly }: ExportView, place: Place): string {
  const options = [...optionsOf(place), '_netdev', 'nofail', ...(readOnly ? ['ro'] : [])];
  return `${place.host}:/${name} /mnt/${name} nfs ${options.join(',')} 0 0`;
}

/** A storage pool: each file on it is a volume that a domain's disk may name. */
function libvirtPool({ name }: ExportView, place: Place): string {
  return [
    "<pool type='netfs' xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'>",
    `  <name>${escapeXml(name)}</name>`,
    '  <source>',
    `    <host name='${escapeXml(place.host)}'/>`,
    `    <dir path='/${escapeXml(name)}'/>`,
    "    <format type='nfs'/>",
    '  </source>',
    '  <target>',
    `    <path>/var/lib/libvirt/${escapeXml(name)}</path>`,
    '  </target>',
    '  <fs:mount_opts>',
    ...optionsOf(place).map((option) => `    <fs:option name='${option}'/>`),
    '  </fs:mount_opts>',
    '</pool>',
  ].join('\n');
}

/** What mounts an export, ready to paste. */
export function nfsSnippet(item: ExportView, format: SnippetFormat): string {
  const [uri] = item.uris;
  if (uri === undefined) throw new AshlarError('closed', `the export '${item.name}' is served nowhere`);
  if (format === 'mount') return mountLine(item.name, uri);
  if (format === 'fstab') return fstabLine(item, placeOf(uri));
  if (format === 'libvirt') return libvirtPool(item, placeOf(uri));
  throw new AshlarError(
    'invalid',
    `'${item.name}' is offered over NFS, which ${format} does not attach: say --format mount, fstab or libvirt`,
  );
}
