import { clientText, parseClients, type ExportClient, type ExportRules } from '@ashlar/nfs';
import type { NfsClient, NfsRules } from '@ashlar/volume';

/** Rules as the data plane takes them. */
export function exportRules(
  { acls = true, anonymousGid, anonymousUid, secure, squash: who, sync }: NfsRules,
  readOnly: boolean,
): ExportRules {
  return { readOnly, sync, secure, squash: { who, anonymousUid, anonymousGid }, acls };
}

/** Clients as they are kept, of those that were parsed. */
export const keptClients = (clients: readonly ExportClient[]): NfsClient[] =>
  clients.map(({ client, rules: { squash, ...rules } }) => {
    const { anonymousGid, anonymousUid, who } = squash;
    return { client: client.text, ...rules, squash: who, anonymousUid, anonymousGid };
  });

/** As exports(5) writes them, such as `10.0.0.0/8(rw) *(ro)`; nothing where there are none. Throws `invalid`. */
export const clientsNamed = (text: string): NfsClient[] => (text.trim() === '' ? [] : keptClients(parseClients(text)));

/** The same the other way, with every rule. */
export const clientsText = (clients: readonly NfsClient[]): string =>
  clients.map((each) => clientText({ client: each.client, rules: exportRules(each, each.readOnly) })).join(' ');
