import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export type Address = { readonly path: string } | { readonly host: string; readonly port: number };

/** What the client shows and checks when a session is upgraded to TLS. */
export type TlsMaterial = {
  /** PEM of the authorities that may have signed the server's certificate; without it the system's. */
  readonly authority?: string;
  readonly certificate?: string;
  readonly key?: string;
  readonly preSharedKey?: { readonly identity: string; readonly key: Buffer };
  /** False takes whatever certificate the server shows. */
  readonly verify: boolean;
  readonly serverName: string;
};

export type Target = {
  readonly address: Address;
  readonly exportName: string;
  readonly tls?: TlsMaterial;
};

/** A mistake in what the user typed; the message is the whole sentence. */
export class UsageError extends Error {}

export type TlsFiles = {
  readonly authority?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  readonly preSharedKeys?: string | undefined;
  readonly identity?: string | undefined;
  readonly insecure: boolean;
};

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${(error as Error).message}`);
  }
}

/** The key of `identity` (or the first one) in a file of `identity:hex` lines, as psktool writes it. */
function preSharedKey(path: string, identity: string | undefined): { identity: string; key: Buffer } {
  for (const line of read(path).split('\n')) {
    const [name, hex] = line.trim().split(':');
    if (name && hex && (identity === undefined || identity === name)) {
      return { identity: name, key: Buffer.from(hex, 'hex') };
    }
  }
  throw new UsageError(`${path} has no key${identity === undefined ? '' : ` of ${identity}`}: lines are IDENTITY:HEX`);
}

function tlsMaterial(files: TlsFiles, host: string): TlsMaterial {
  return {
    ...(files.authority === undefined ? {} : { authority: read(files.authority) }),
    ...(files.certificate === undefined ? {} : { certificate: read(files.certificate) }),
    ...(files.key === undefined ? {} : { key: read(files.key) }),
    ...(files.preSharedKeys === undefined ? {} : { preSharedKey: preSharedKey(files.preSharedKeys, files.identity) }),
    verify: !files.insecure,
    serverName: host,
  };
}

/** Files that the URI's query names, as libnbd has it; those of the command line come first. */
function withQuery(files: TlsFiles, query: URLSearchParams, user: string | undefined): TlsFiles {
  const directory = query.get('tls-certificates') ?? undefined;
  const inDirectory = (name: string): string | undefined => {
    const path = directory === undefined ? undefined : join(directory, name);
    return path !== undefined && existsSync(path) ? path : undefined;
  };
  return {
    authority: files.authority ?? inDirectory('ca-cert.pem'),
    certificate: files.certificate ?? inDirectory('client-cert.pem'),
    key: files.key ?? inDirectory('client-key.pem'),
    preSharedKeys: files.preSharedKeys ?? query.get('tls-psk-file') ?? undefined,
    identity: files.identity ?? user,
    insecure: files.insecure,
  };
}

/**
 * The server and export that an NBD URI names: `nbd://host[:port]/export`, `nbd+unix:///export?socket=PATH`, or the
 * same with `nbds` for a session that is upgraded to TLS. Throws UsageError.
 */
export function parseTarget(text: string, given: TlsFiles): Target {
  const match = /^(nbds?)(\+unix)?:\/\/(?:([^@/?]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(text);
  if (match === null) {
    throw new UsageError(`'${text}' is no NBD URI: write nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH`);
  }
  const [, scheme, unix, user, authority = '', name = '', queryText = ''] = match;
  const host = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(authority);
  if (host === null) throw new UsageError(`'${authority}' is no host and port`);
  const hostName = host[1] ?? (host[2] || 'localhost');
  const query = new URLSearchParams(queryText);
  const files = withQuery(given, query, user);
  const wantsTls = scheme === 'nbds' || Object.values(given).some((value) => value !== undefined && value !== false);
  const common = {
    exportName: decodeURIComponent(name),
    ...(wantsTls ? { tls: tlsMaterial(files, hostName) } : {}),
  };
  if (unix === undefined) return { ...common, address: { host: hostName, port: Number(host[3] ?? 10809) } };
  const path = query.get('socket');
  if (path === null || path === '') throw new UsageError(`'${text}' names no socket: add ?socket=PATH`);
  return { ...common, address: { path } };
}
