import { request } from 'node:http';
import { join } from 'node:path';
import { adminSocketName } from '@ashlar/server/client';

/**
 * Asks the admin API of the server of a data directory, where its command line is not what is tested; that costs a process.
 * Rejects with what the server says where it refuses.
 */
export function admin(data: string, method: string, path: string, body?: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const where = { socketPath: join(data, adminSocketName), agent: false };
    const call = request({ ...where, method, path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('error', reject).on('end', () => {
        if (response.statusCode! < 300) resolve(text);
        else reject(new Error(`status ${response.statusCode} of ${method} ${path}: ${text}`));
      });
    });
    call.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Makes a volume that is exported under its name. */
export async function makeVolume(data: string, name: string, size: string): Promise<void> {
  await admin(data, 'POST', '/v1/volumes', { name, size });
}

/** Takes snapshots, `VOLUME@NAME`, all of one instant. */
export async function snapshot(data: string, ...names: readonly string[]): Promise<void> {
  const snapshots = names.map((each) => {
    const [volume, name] = each.split('@');
    return { volume, name };
  });
  await admin(data, 'POST', '/v1/snapshots', { snapshots });
}

/** Offers a source under a name. `more`: such as `readOnly`. */
export async function addExport(data: string, name: string, source: string, more: object = {}): Promise<void> {
  await admin(data, 'POST', '/v1/exports', { name, source, ...more });
}
