import type { Duplex } from 'node:stream';
import { connect, createServer, DEFAULT_CIPHERS, type Server, type TLSSocket } from 'node:tls';
import { AshlarError, type Stream, type StreamPeer } from '@ashlar/core';
import { DuplexStream } from './duplex-stream.ts';

/** How a server proves itself and whom it lets in. At least one of certificate and keys. */
export type TlsServerSettings = {
  /** PEM. */
  readonly certificate?: { readonly cert: string; readonly key: string };
  /** PEM of the authority whose clients are let in; with it a client without a certificate is refused. */
  readonly clientAuthority?: string;
  /** User name to key, as `psktool` writes them. */
  readonly keys?: ReadonlyMap<string, Uint8Array>;
};

export type TlsClientSettings = {
  /** PEM of the authority that signed the server's certificate. */
  readonly authority?: string;
  readonly certificate?: { readonly cert: string; readonly key: string };
  /** The name the certificate must be for. */
  readonly serverName?: string;
  readonly key?: { readonly user: string; readonly key: Uint8Array };
};

/** TLS 1.2 suites with pre-shared keys that GnuTLS clients offer, and OpenSSL's own list for certificates. */
const keyCiphers =
  'ECDHE-PSK-CHACHA20-POLY1305:DHE-PSK-AES256-GCM-SHA384:ECDHE-PSK-AES256-CBC-SHA384:PSK-AES256-GCM-SHA384:PSK-AES128-GCM-SHA256:PSK';

/** Parses a file of `user:hexadecimal key` lines. Throws `invalid` with the line's number. */
export function parseKeys(text: string): Map<string, Uint8Array> {
  const keys = new Map<string, Uint8Array>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const match = /^([^:]+):((?:[0-9a-fA-F]{2})+)$/.exec(line.trim());
    if (match === null)
      throw new AshlarError('invalid', `line ${index + 1} of the key file is not 'user:hexadecimal key'`);
    keys.set(match[1] ?? '', Buffer.from(match[2] ?? '', 'hex'));
  }
  return keys;
}

/** What node:tls does with an accepted connection; it listens on nothing. */
function tlsServer(settings: TlsServerSettings, onUser: (user: string) => void): Server {
  const { certificate, clientAuthority, keys } = settings;
  return createServer({
    ...(certificate === undefined ? {} : { cert: certificate.cert, key: certificate.key }),
    ...(clientAuthority === undefined ? {} : { ca: clientAuthority }),
    requestCert: clientAuthority !== undefined,
    // Clients with a key have no certificate: `acceptTls` decides.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    ...(keys === undefined
      ? {}
      : {
          // Node does not offer pre-shared keys of TLS 1.3.
          ciphers: certificate === undefined ? keyCiphers : `${keyCiphers}:${DEFAULT_CIPHERS.replace(':!PSK', '')}`,
          maxVersion: 'TLSv1.2',
          pskCallback: (_socket: TLSSocket, user: string) => {
            const key = keys.get(user);
            if (key !== undefined) onUser(user);
            return key ?? null;
          },
        }),
  });
}

/**
 * Runs the server's side of TLS over a connection whose peer was told to begin. Gives the stream inside. Fails with
 * `denied` where the peer does not prove itself.
 */
export async function acceptTls(duplex: Duplex, peer: StreamPeer, settings: TlsServerSettings): Promise<Stream> {
  let identity: string | undefined;
  const server = tlsServer(settings, (user) => {
    identity = user;
  });
  const socket = await new Promise<TLSSocket>((resolve, reject) => {
    const failed = (error?: Error): void => {
      duplex.destroy();
      const reason = error?.message ?? 'the peer went away';
      reject(new AshlarError('denied', `TLS with ${peer.address} did not come about: ${reason}`, {}, error));
    };
    server.once('secureConnection', (secured: TLSSocket) => {
      duplex.off('close', failed);
      resolve(secured);
    });
    server.once('tlsClientError', failed);
    duplex.once('close', failed);
    server.emit('connection', duplex);
  });
  if (identity === undefined && settings.clientAuthority !== undefined) {
    if (!socket.authorized) {
      socket.destroy();
      throw new AshlarError('denied', `${peer.address} has no certificate that this server accepts`);
    }
    const name = socket.getPeerCertificate().subject?.CN;
    identity = Array.isArray(name) ? name[0] : name;
  }
  return new DuplexStream(socket, identity === undefined ? peer : { ...peer, identity });
}

/** The client's side. */
export async function connectTls(duplex: Duplex, peer: StreamPeer, settings: TlsClientSettings): Promise<Stream> {
  const { key, authority, certificate, serverName } = settings;
  const socket = connect({
    socket: duplex,
    ...(serverName === undefined ? {} : { servername: serverName, host: serverName }),
    ...(authority === undefined ? {} : { ca: authority }),
    ...(certificate === undefined ? {} : { cert: certificate.cert, key: certificate.key }),
    ...(key === undefined
      ? {}
      : {
          ciphers: keyCiphers,
          maxVersion: 'TLSv1.2' as const,
          checkServerIdentity: () => undefined,
          pskCallback: () => ({ psk: key.key, identity: key.user }),
        }),
  });
  await secured(socket);
  return new DuplexStream(socket, peer);
}

async function secured(socket: TLSSocket): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const failed = (error?: Error): void => {
      socket.destroy();
      reject(new AshlarError('denied', `TLS did not come about: ${error?.message ?? 'the peer went away'}`, {}, error));
    };
    socket.once('secureConnect', () => {
      socket.off('error', failed).off('close', failed);
      resolve();
    });
    socket.once('error', failed).once('close', failed);
  });
}
