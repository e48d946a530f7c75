import { AshlarError } from '@ashlar/core';

/** Where an NBD server is, and which of its exports is meant. */
export type NbdUri = {
  readonly tls: boolean;
  readonly exportName: string;
  readonly user: string | undefined;
  /** A Unix socket's path, or host and port. */
  readonly at: { readonly path: string } | { readonly host: string; readonly port: number };
};

const defaultPort = 10809;

/** Parses nbd, nbds, nbd+unix and nbds+unix URIs (uri.md of the NetworkBlockDevice project). Throws `invalid`. */
export function parseNbdUri(text: string): NbdUri {
  const match = /^(nbds?)(\+unix)?:\/\//.exec(text);
  const url = match === null || !URL.canParse(text) ? undefined : new URL(text);
  if (match === null || url === undefined) {
    throw new AshlarError(
      'invalid',
      `'${text}' is not an NBD URI such as nbd://host/export or nbd+unix:///export?socket=PATH`,
    );
  }
  const common = {
    tls: match[1] === 'nbds',
    exportName: decodeURIComponent(url.pathname.replace(/^\//, '')),
    user: url.username === '' ? undefined : decodeURIComponent(url.username),
  };
  if (match[2] === undefined) {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    return {
      ...common,
      at: { host: host === '' ? 'localhost' : host, port: url.port === '' ? defaultPort : Number(url.port) },
    };
  }
  const path = url.searchParams.get('socket');
  if (path === null || path === '') throw new AshlarError('invalid', `'${text}' names no socket: add ?socket=PATH`);
  return { ...common, at: { path } };
}
