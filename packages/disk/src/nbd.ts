import { readFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { AshlarError, type BlockDevice } from '@ashlar/core';
import { openNbd, parseNbdUri } from '@ashlar/nbd';
import { parseKeys, type TlsClientSettings } from '@ashlar/wire';
import type { OpenDiskOptions } from './options.ts';

/**
 * An export of an NBD server. Of `nbds` URIs `tls-certificates=DIR` names a directory of ca-cert.pem, client-cert.pem and client-key.pem, and
 * `tls-psk-file=FILE` the keys of users, as libnbd has them.
 */
export async function openNbdDisk(
  uri: string,
  { connections = 1, readOnly = true }: OpenDiskOptions,
): Promise<BlockDevice> {
  const device = await openNbd(uri, { connections, reconnectMs: 0, tls: tlsOf(uri) });
  if (readOnly || !device.readOnly) return device;
  await device.close();
  throw new AshlarError('read-only', `'${uri}' is offered for reading only`);
}

function tlsOf(uri: string): TlsClientSettings {
  const { at, tls, user } = parseNbdUri(uri);
  if (!tls) return {};
  const { searchParams } = new URL(uri);
  const [directory, keys] = [searchParams.get('tls-certificates'), searchParams.get('tls-psk-file')];
  if (keys !== null) return { key: keyOf(keys, user) };
  const serverName = 'path' in at ? 'localhost' : at.host;
  if (directory === null) return { serverName };
  const certificate = join(directory, 'client-cert.pem');
  return {
    serverName,
    authority: read(join(directory, 'ca-cert.pem')),
    ...(existsSync(certificate)
      ? { certificate: { cert: read(certificate), key: read(join(directory, 'client-key.pem')) } }
      : {}),
  };
}

function keyOf(path: string, user: string | undefined): { readonly user: string; readonly key: Uint8Array } {
  const keys = parseKeys(read(path));
  const [first] = keys.keys();
  const who = user ?? first;
  const key = who === undefined ? undefined : keys.get(who);
  if (who !== undefined && key !== undefined) return { user: who, key };
  throw new AshlarError('not-found', `${path} has no key${user === undefined ? '' : ` of the user '${user}'`}`, {
    path,
  });
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new AshlarError('invalid', `${path} cannot be read: ${(error as Error).message}`, { path }, error);
  }
}
