import { lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type ListenOptions, type Server, type Socket } from 'node:net';
import { AshlarError } from '@ashlar/core';

/** Bytes of a Unix socket's path (sun_path, less its end). */
const longestSocketPath = 107;

/** Listens, or rejects with a sentence: port in use, not allowed, no such address. `key` is the key that sets the port. */
export async function listenTcp(server: Server, host: string, port: number, key: string): Promise<number> {
  await listening(server, { host, port, backlog: 1024 }, (code) => {
    const where = `port ${port} on ${host}`;
    if (code === 'EADDRINUSE')
      return new AshlarError(
        'busy',
        `${where} is in use: stop what listens there, or set ${key} to another (0 takes a free one)`,
      );
    if (code === 'EACCES')
      return new AshlarError(
        'denied',
        `${where} may not be used: ports below 1024 need privileges; set ${key} to a higher one`,
      );
    if (code === 'EADDRNOTAVAIL') return new AshlarError('invalid', `this machine has no address ${host} to listen on`);
    return undefined;
  });
  return (server.address() as AddressInfo).port;
}

/** Listens on a Unix socket that only this user may open. One that a dead server left behind is replaced. */
export async function listenUnix(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > longestSocketPath) {
    throw new AshlarError(
      'invalid',
      `the socket's path ${path} has more than ${longestSocketPath} bytes: choose a shorter data directory`,
      { path },
    );
  }
  await removeStale(path);
  // The socket is made inside listen(), and nobody else runs meanwhile: it is never open to others.
  const before = process.umask(0o177);
  const done = listening(server, { path, backlog: 1024 }, (code) =>
    code === 'EADDRINUSE'
      ? new AshlarError('busy', `the socket ${path} is in use by another server`, { path })
      : undefined,
  );
  process.umask(before);
  await done;
}

/** Listens on a socket that the caller of this process opened. */
export async function listenPassed(server: Server, descriptor: number): Promise<void> {
  await listening(server, { fd: descriptor }, () => undefined);
}

function listening(
  server: Server,
  where: ListenOptions & { readonly fd?: number },
  explain: (code: string) => AshlarError | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      const place = where.path ?? (where.fd === undefined ? `${where.host}:${where.port}` : `descriptor ${where.fd}`);
      reject(
        explain(error.code ?? '') ?? new AshlarError('io', `cannot listen on ${place}: ${error.message}`, {}, error),
      );
    };
    server.once('error', failed);
    server.listen(where, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

/** Removes a socket that nobody listens on. What is no socket, or lives, stays: then listening says what is wrong. */
async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new AshlarError('exists', `${path} is there and is no socket: remove it`, { path });
  if (await isListening(path)) return;
  unlinkSync(path);
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}

/** A listening server for connections that are handed on. */
export function createSocketServer(onConnection: (socket: Socket) => void): Server {
  return createServer({ noDelay: true, keepAlive: true, allowHalfOpen: true }, onConnection);
}

/** Stops accepting; settles at once, whatever connections there still are. */
export function stopListening(server: Server): void {
  server.close();
  server.unref();
}
