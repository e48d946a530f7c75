import { AshlarError } from '@ashlar/core';
import type { LockView, NfsClientView } from '@ashlar/server';
import { AdminClient } from '../client.ts';
import type { ServerOptions } from '../options.ts';
import { show, table, type Column } from '../output.ts';

type Call = { readonly name: string; readonly calls: number; readonly seconds: number; readonly mostSeconds: number };

const sum = ({ calls }: NfsClientView, of: (name: string) => boolean): number =>
  Object.entries(calls).reduce((all, [name, { calls: count }]) => all + (of(name) ? count : 0), 0);

const clientColumns: readonly Column<NfsClientView>[] = [
  { title: 'ADDRESS', text: ({ address }) => address },
  { title: 'CONNECTIONS', text: ({ connections }) => String(connections), right: true },
  { title: 'CALLS', text: (client) => String(sum(client, () => true)), right: true },
  { title: 'READ', text: (client) => String(sum(client, (name) => name === 'READ')), right: true },
  { title: 'WRITE', text: (client) => String(sum(client, (name) => name === 'WRITE')), right: true },
  { title: 'SINCE', text: ({ since }) => since },
];

const milliseconds = (seconds: number): string => (seconds * 1000).toFixed(3);

const callColumns: readonly Column<Call>[] = [
  { title: 'PROCEDURE', text: ({ name }) => name },
  { title: 'CALLS', text: ({ calls }) => String(calls), right: true },
  { title: 'MEAN MS', text: ({ calls, seconds }) => milliseconds(seconds / calls), right: true },
  { title: 'MOST MS', text: ({ mostSeconds }) => milliseconds(mostSeconds), right: true },
];

const lockColumns: readonly Column<LockView>[] = [
  { title: 'CLIENT', text: ({ client }) => client },
  { title: 'EXPORT', text: (lock) => lock.export },
  { title: 'FILE', text: ({ file }) => file },
  { title: 'MODE', text: ({ exclusive }) => (exclusive ? 'exclusive' : 'shared') },
  { title: 'FROM', text: ({ from }) => String(from), right: true },
  { title: 'TO', text: ({ to }) => (to === null ? 'end' : String(to)), right: true },
];

export async function clients(address: string | undefined, options: ServerOptions): Promise<void> {
  const found = await AdminClient.find(options).get<NfsClientView[]>('/v1/clients');
  if (address === undefined) {
    const empty = "nobody has asked for a file volume yet: 'ashlar export show NAME --format mount' prints how";
    show(options.json, found, () => (found.length === 0 ? empty : table(clientColumns, found)));
    return;
  }
  const client = found.find((each) => each.address === address);
  if (client === undefined) {
    throw new AshlarError('not-found', `there is no client ${address}: 'ashlar clients' shows those there are`);
  }
  const calls = Object.entries(client.calls).map(([name, counts]): Call => ({ name, ...counts }));
  show(options.json, client, () => table(callColumns, calls));
}

export async function locks(options: ServerOptions): Promise<void> {
  const found = await AdminClient.find(options).get<LockView[]>('/v1/locks');
  show(options.json, found, () => (found.length === 0 ? 'no client has a lock' : table(lockColumns, found)));
}
