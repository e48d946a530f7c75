import type { Export } from '@ashlar/volume';

/** Where a running server is found. */
export type Addresses = {
  /** `ADDRESS:PORT` each. */
  readonly nbd: readonly string[];
  readonly nbdSocket: string | undefined;
  /** The same of NFS: none before something is exported over it. */
  readonly nfs: readonly string[];
  /** `http://ADDRESS:PORT`. */
  readonly admin: string;
  readonly adminSocket: string;
};

/** An address as it stands in a URI. */
export function inUri(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

/** Where clients find an export, over each protocol that it is offered over. */
export function urisOf(
  { name, over }: Pick<Export, 'name' | 'over'>,
  addresses: Addresses,
  needsTls: boolean,
): string[] {
  return over.flatMap((protocol) =>
    protocol === 'nbd' ? nbdUris(name, addresses, needsTls) : nfsUris(name, addresses),
  );
}

/** Each TCP address, then the Unix socket. */
function nbdUris(name: string, { nbd, nbdSocket }: Addresses, needsTls: boolean): string[] {
  const tls = needsTls ? 's' : '';
  const uris = nbd.map((address) => `nbd${tls}://${address}/${name}`);
  if (nbdSocket !== undefined) uris.push(`nbd${tls}+unix:///${name}?socket=${encodeURI(nbdSocket)}`);
  return uris;
}

/** As libnfs reads them. */
function nfsUris(name: string, { nfs }: Addresses): string[] {
  return nfs.map((address) => {
    const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(address) ?? [];
    return `nfs://${host}/${name}?nfsport=${port}&mountport=${port}`;
  });
}
