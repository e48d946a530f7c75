import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { admin } from '../clients/admin.ts';
import { root } from '../clients/served.ts';

export type Ended = { readonly status: number; readonly out: string; readonly err: string };

/** Runs the `ashlar` command, for at most a minute, and answers with how it ended. */
export function ashlar(...options: readonly string[]): Promise<Ended> {
  return run(process.execPath, [bin, ...options]);
}

export const bin = join(root, 'packages/cli/bin/ashlar.js');

export function run(program: string, options: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(program, options, { timeout: 60_000, maxBuffer: 2 ** 26 }, (error, out, err) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : 128;
      resolve({ status, out, err });
    });
  });
}

type Status = {
  readonly connections: number;
  readonly pool: {
    readonly state: string;
    readonly reason?: string;
    readonly corruptBlocks: number;
    readonly freeBytes: number;
  };
};

/** What the server of a data directory says of itself. */
export async function statusOf(data: string): Promise<Status> {
  return JSON.parse(await admin(data, 'GET', '/v1/status')) as Status;
}
