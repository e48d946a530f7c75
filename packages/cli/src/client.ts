import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { AshlarError, errorKinds, type ErrorKind } from '@ashlar/core';
import { adminSocketName, tokenFileName } from '@ashlar/server/client';
import { UsageError } from './failure.ts';

// By `import` it brings Node's whole fetch with it, which costs 50 ms of a processor.
const { request } = process.getBuiltinModule('node:http');

/** How a command names the server it means. */
export type ServerChoice = {
  readonly admin?: string | undefined;
  readonly data?: string | undefined;
  readonly token?: string | undefined;
};

type Door = { readonly socketPath: string } | { readonly host: string; readonly port: number; readonly token: string };

/** The most that an answer may have. */
const longestAnswer = 64 * 1024 * 1024;

/** How long a server may be silent when it is asked for something; changes may take longer. */
const answerMs = 10_000;

/** A running server's admin API. */
export class AdminClient {
  readonly #door: Door;

  private constructor(door: Door) {
    this.#door = door;
  }

  /**
   * Finds the server: `--admin` or ASHLAR_ADMIN (a URL or a socket's path), else the socket in the data directory. Throws
   * `not-found` with what to type next.
   */
  static find(choice: ServerChoice, environment: NodeJS.ProcessEnv = process.env): AdminClient {
    const data = resolve(choice.data ?? environment['ASHLAR_DATA'] ?? 'ashlar-data');
    const named = choice.admin ?? (choice.data === undefined ? environment['ASHLAR_ADMIN'] : undefined);
    if (named === undefined || named === '') {
      const socketPath = join(data, adminSocketName);
      if (existsSync(socketPath)) return new AdminClient({ socketPath });
      throw new AshlarError(
        'not-found',
        `no server was found: there is no ${socketPath}; start one with 'ashlar serve', or name one with --data or --admin`,
      );
    }
    if (!/^https?:\/\//.test(named)) return new AdminClient({ socketPath: named.replace(/^unix:(\/\/)?/, '') });
    const { hostname, port, protocol } = parseUrl(named);
    if (protocol !== 'http:')
      throw new UsageError(`the admin API is reached over http, not ${protocol.slice(0, -1)}: ${named}`);
    const token = choice.token ?? environment['ASHLAR_TOKEN'] ?? readToken(data);
    return new AdminClient({ host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 80 : Number(port), token });
  }

  get<T>(path: string): Promise<T> {
    return this.#send('GET', path, undefined);
  }

  post<T>(path: string, body: object = {}): Promise<T> {
    return this.#send('POST', path, body);
  }

  patch<T>(path: string, body: object): Promise<T> {
    return this.#send('PATCH', path, body);
  }

  delete(path: string): Promise<void> {
    return this.#send('DELETE', path, undefined);
  }

  #send<T>(method: string, path: string, body: object | undefined): Promise<T> {
    const door = this.#door;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      ...('token' in door ? { authorization: `Bearer ${door.token}` } : {}),
      ...(text === undefined ? {} : { 'content-type': 'application/json' }),
    };
    return new Promise((done, failed) => {
      const call = request({ ...door, method, path, headers, agent: false }, (response) => {
        const parts: Buffer[] = [];
        let length = 0;
        response.on('data', (part: Buffer) => {
          length += part.length;
          if (length > longestAnswer) response.destroy(new AshlarError('too-big', 'the answer is too long'));
          else parts.push(part);
        });
        response.on('error', failed);
        response.on('end', () => {
          try {
            done(parseAnswer(response.statusCode ?? 0, Buffer.concat(parts).toString()) as T);
          } catch (error) {
            failed(error);
          }
        });
      });
      call.on('error', (error: NodeJS.ErrnoException) => failed(this.#unreachable(error)));
      if (method === 'GET') {
        const sentence = `the server does not answer within ${answerMs / 1000} seconds`;
        call.setTimeout(answerMs, () => {
          failed(new AshlarError('timeout', sentence));
          call.destroy();
        });
      }
      call.end(text);
    });
  }

  #unreachable(error: NodeJS.ErrnoException): AshlarError {
    const door = this.#door;
    const where = 'socketPath' in door ? door.socketPath : `${door.host}:${door.port}`;
    if (error.code === 'EACCES')
      return new AshlarError('denied', `this user may not use ${where}: only its owner may`, {}, error);
    return new AshlarError(
      'closed',
      `no server answers at ${where} (${error.code ?? error.message}): start one with 'ashlar serve'`,
      {},
      error,
    );
  }
}

function parseUrl(text: string): URL {
  if (URL.canParse(text)) return new URL(text);
  throw new UsageError(`'${text}' is no URL: write one such as http://127.0.0.1:9810`);
}

function readToken(data: string): string {
  const path = join(data, tokenFileName);
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new AshlarError(
      'denied',
      `a token is needed: give it with --token or ASHLAR_TOKEN, or name the server's directory with --data (${path} cannot be read)`,
      {},
      error,
    );
  }
}

function parseAnswer(status: number, text: string): unknown {
  const answer: unknown = text === '' ? undefined : JSON.parse(text);
  if (status < 400) return answer;
  const { kind, message } = (answer as { error?: { kind?: string; message?: string } }).error ?? {};
  const known: ErrorKind = errorKinds.find((each) => each === kind) ?? 'io';
  throw new AshlarError(known, message ?? `the server answered with status ${status}`);
}
