import { AshlarError } from '@ashlar/core';
import type { ExportView } from '@ashlar/server';
import { nfsSnippet } from './nfs-snippets.ts';
import { escapeXml, inShell } from './quoting.ts';
import type { SnippetFormat } from './snippet-formats.ts';

/** An NBD URI taken apart. */
type Place =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: string; readonly tls: boolean; readonly uri: string }
  | { readonly kind: 'unix'; readonly path: string; readonly tls: boolean; readonly uri: string };

function placeOf(uri: string): Place {
  const tls = uri.startsWith('nbds');
  if (uri.includes('+unix:'))
    return { kind: 'unix', path: decodeURI(uri.slice(uri.indexOf('?socket=') + 8)), tls, uri };
  const { hostname, port } = new URL(uri.replace(/^nbds?:/, 'http:'));
  return { kind: 'tcp', host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? '10809' : port, tls, uri };
}

function choose(item: ExportView, unix: boolean): Place {
  const places = item.uris.map(placeOf);
  const found = places.find(({ kind }) => (kind === 'unix') === unix) ?? places[0];
  if (found !== undefined) return found;
  throw new AshlarError(
    'closed',
    `the export '${item.name}' is served nowhere: the server has neither a port nor a socket for NBD`,
  );
}

function qemu({ readOnly }: ExportView, { uri }: Place): string {
  const options = ['format=raw', 'if=virtio', 'discard=unmap', ...(readOnly ? ['readonly=on'] : [])];
  return `qemu-system-x86_64 -drive ${inShell(`file=${uri.replaceAll(',', ',,')},${options.join(',')}`)}`;
}

function libvirt({ name, readOnly }: ExportView, place: Place): string {
  const host =
    place.kind === 'unix'
      ? `<host transport='unix' socket='${escapeXml(place.path)}'/>`
      : `<host name='${place.host}' port='${place.port}'/>`;
  return [
    "<disk type='network' device='disk'>",
    "  <driver name='qemu' type='raw' cache='none' discard='unmap'/>",
    `  <source protocol='nbd' name='${escapeXml(name)}'${place.tls ? " tls='yes'" : ''}>`,
    `    ${host}`,
    '  </source>',
    "  <target dev='vdb' bus='virtio'/>",
    ...(readOnly ? ['  <readonly/>'] : []),
    '</disk>',
  ].join('\n');
}

/** `-C` connections share the volume: a flush on one covers all. */
function nbdClient({ name, readOnly }: ExportView, place: Place): string {
  const where =
    place.kind === 'unix' ? `-unix ${inShell(place.path)} /dev/nbd0` : `${place.host} ${place.port} /dev/nbd0`;
  return `nbd-client ${where} -N ${name} -C 2 -persist${readOnly ? ' -readonly' : ''}${place.tls ? ' -x' : ''}`;
}

/** nbd-client's own table, which nbd@.service reads, and the line of fstab that needs that service. */
function fstab({ name, readOnly }: ExportView, place: Place): string {
  const options = place.kind === 'unix' ? ['unix', 'persist'] : [`port=${place.port}`, 'persist'];
  const host = place.kind === 'unix' ? place.path : place.host;
  const mount = `_netdev,nofail,x-systemd.requires=nbd@nbd0.service${readOnly ? ',ro' : ''}`;
  return [
    '# /etc/nbdtab',
    `nbd0 ${host} ${name} ${options.join(',')}`,
    '# /etc/fstab',
    `/dev/nbd0 /mnt/${name} ext4 ${mount} 0 0`,
  ].join('\n');
}

const writers: Readonly<Record<Exclude<SnippetFormat, 'mount'>, (item: ExportView, place: Place) => string>> = {
  qemu,
  libvirt,
  'nbd-client': nbdClient,
  fstab,
};

/** What attaches an export, ready to paste. `unix`: by the Unix socket where there is one. */
export function snippet(item: ExportView, format: SnippetFormat, unix: boolean): string {
  if (item.over.includes('nfs')) return nfsSnippet(item, format);
  if (format === 'mount') {
    throw new AshlarError(
      'invalid',
      `'${item.name}' is a disk, which is attached and not mounted: say --format qemu, libvirt or nbd-client`,
    );
  }
  return writers[format](item, choose(item, unix));
}
