import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';

/** Asks the admin API of the server of a data directory; gives the body of the answer. Throws what it says of a failure. */
export async function ask(directory: string, method: string, path: string, body?: object): Promise<string> {
  const token = (await readFile(join(directory, 'token'), 'utf8')).trim();
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: join(directory, 'admin.sock'), method, path, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => (text += part));
      answer.on('end', () => {
        if ((answer.statusCode ?? 500) < 400) resolve(text);
        else reject(new Error(`${method} ${path} answered ${answer.statusCode}: ${text}`));
      });
    });
    asked.on('error', reject);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
