import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MiB } from '@ashlar/core';
import { createLogger, loadConfig, Server } from './index.ts';

type Machine = Parameters<typeof Server.start>[0]['machine'];

/** What a test gives to be tidied up after. */
type Test = { teardown(tidy: () => void | Promise<unknown>): void };

export type Running = { readonly server: Server; readonly data: string; readonly file: string };

/** A fresh directory that goes with the test. */
export function directory(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'ashlar-server-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A server on free ports with a small store; its configuration file lies beside the data directory. */
export async function start(
  data: string,
  text = '',
  volumes: { name: string; sizeBytes: number; type?: 'block' | 'file' }[] = [],
  machine: Machine = {},
): Promise<Running> {
  const file = join(data, '..', `${data.split('/').at(-1)}.toml`);
  writeFileSync(file, text);
  const overrides = {
    data,
    'nbd.port': 0,
    'nfs.port': 0,
    'admin.port': 0,
    'store.journalSize': 16 * MiB,
    'store.overlaySize': 8 * MiB,
  };
  const load = () => loadConfig({ file, environment: {}, overrides });
  const server = await Server.start({
    loaded: load(),
    reload: load,
    volumes,
    logger: createLogger('silent'),
    passed: [],
    onDeath: (error) => {
      throw error;
    },
    machine,
  });
  return { server, data, file };
}

/** A server that is stopped with the test. */
export async function running(
  t: Test,
  text = '',
  volumes: { name: string; sizeBytes: number }[] = [],
): Promise<Running> {
  const started = await start(join(directory(t), 'data'), text, volumes);
  t.teardown(() => started.server.stop());
  return started;
}

type Answer = { readonly status: number; readonly type: string; readonly text: string };

function call(where: object, method: string, path: string, body?: object, token?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    const sent = request({ ...where, method, path, headers, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => {
        resolve({
          status: response.statusCode ?? 0,
          type: response.headers['content-type'] ?? '',
          text: Buffer.concat(parts).toString(),
        });
      });
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

export const bySocket = ({ server }: Running, method: string, path: string, body?: object): Promise<Answer> =>
  call({ socketPath: server.addresses.adminSocket }, method, path, body);

export const byPort = ({ server }: Running, path: string, token?: string): Promise<Answer> => {
  const { hostname, port } = new URL(server.addresses.admin);
  return call({ host: hostname, port }, 'GET', path, undefined, token);
};

export const json = <T>({ text }: Answer): T => JSON.parse(text) as T;
