import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AshlarError } from '@ashlar/core';
import { parseKeys, type TlsServerSettings } from '@ashlar/wire';
import type { Config } from './config/schema.ts';

/** Reads certificates and keys as the configuration names them; undefined without TLS. Throws `invalid` in a sentence. */
export function readTlsSettings({ tls, certificates, psk }: Config['nbd']): TlsServerSettings | undefined {
  if (tls === 'off') return undefined;
  return {
    ...(certificates === undefined ? {} : readCertificates(certificates)),
    ...(psk === undefined ? {} : { keys: parseKeys(read(psk, 'nbd.psk')) }),
  };
}

/** The file names that qemu's and nbdkit's tools use. */
function readCertificates(directory: string): TlsServerSettings {
  const cert = read(join(directory, 'server-cert.pem'), 'nbd.certificates');
  const key = read(join(directory, 'server-key.pem'), 'nbd.certificates');
  const authority = join(directory, 'ca-cert.pem');
  const certificate = { cert, key };
  return existsSync(authority)
    ? { certificate, clientAuthority: read(authority, 'nbd.certificates') }
    : { certificate };
}

function read(path: string, key: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new AshlarError('invalid', `${path} cannot be read (${key}): ${(error as Error).message}`, { path }, error);
  }
}
