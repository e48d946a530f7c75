import { formatSize } from '@ashlar/core';
import type { ConnectionView, StatusView } from '@ashlar/server';
import { AdminClient } from '../client.ts';
import type { ServerOptions } from '../options.ts';
import { provisionedText, roomText } from '../room-text.ts';
import { facts, show, table, type Column } from '../output.ts';
import { scrubText } from '../scrub-text.ts';

const columns: readonly Column<ConnectionView>[] = [
  { title: 'ID', text: ({ id }) => String(id), right: true },
  { title: 'EXPORT', text: ({ exportName }) => exportName },
  { title: 'CLIENT', text: ({ peer }) => peer },
  { title: 'TLS', text: ({ tls, identity }) => (tls ? (identity ?? 'yes') : 'no') },
  { title: 'SINCE', text: ({ since }) => since },
];

function duration(seconds: number): string {
  const parts = [
    Math.floor(seconds / 86400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
    seconds % 60,
  ];
  const [days = 0, hours = 0, minutes = 0, rest = 0] = parts;
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${rest} s` : `${rest} s`;
}

function volumesText({ volumes, held }: StatusView): string {
  if (held.length === 0) return String(volumes);
  return `${volumes}, held: ${held.join(', ')} (see: ashlar volume show ${held[0]})`;
}

function damageText({ corruptBlocks, damagedRecords }: StatusView['pool']): string {
  const found = [
    ...(corruptBlocks === 0 ? [] : [`${corruptBlocks} corrupt blocks`]),
    ...(damagedRecords === 0 ? [] : [`${damagedRecords} damaged records of the database`]),
  ];
  return found.length === 0 ? 'none found' : `${found.join(', ')}: run 'ashlar check'`;
}

function describe(status: StatusView): string {
  const { pool, nbd, admin, memory } = status;
  return facts([
    [
      'server',
      `${status.state}, version ${status.version}, process ${status.pid}, up ${duration(status.uptimeSeconds)}`,
    ],
    ['data', pool.device === undefined ? status.data : `${status.data}, data of volumes on ${pool.device}`],
    ['nbd', [...nbd.addresses, ...(nbd.socket === undefined ? [] : [nbd.socket])].join(', ') || 'nowhere'],
    ['nfs', status.nfs.addresses.join(', ') || undefined],
    ['admin', `${admin.address}, ${admin.socket}`],
    ['pool', pool.reason === undefined ? pool.state : `${pool.state}: ${pool.reason}`],
    ['database', pool.madeAnew === undefined ? undefined : `made anew of its log: ${pool.madeAnew}`],
    ['room', roomText(status)],
    ['provisioned', provisionedText(status)],
    ['warning', pool.warning],
    [
      'journal',
      `${formatSize(pool.journalBytes)}, overlay ${formatSize(pool.overlayBytes)}, cache ${formatSize(pool.cacheBytes)}`,
    ],
    ['damage', damageText(pool)],
    ['scrub', scrubText(status.scrub)],
    ['memory', `${formatSize(memory.residentBytes)} resident`],
    ['volumes', volumesText(status)],
    ['exports', String(status.exports)],
    ['clients', String(status.connections)],
  ]);
}

export async function status(options: ServerOptions): Promise<void> {
  const client = AdminClient.find(options);
  const found = await client.get<StatusView>('/v1/status');
  const clients = await client.get<ConnectionView[]>('/v1/connections');
  show(options.json, { ...found, clients }, () =>
    clients.length === 0 ? describe(found) : `${describe(found)}\n\n${table(columns, clients)}`,
  );
}
