import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';

/** The text of `/metrics` of a server by its data directory. */
async function metricsText(directory: string): Promise<string> {
  const token = (await readFile(join(directory, 'token'), 'utf8')).trim();
  return new Promise((resolve, reject) => {
    const asked = request(
      { socketPath: join(directory, 'admin.sock'), path: '/metrics', headers: { authorization: `Bearer ${token}` } },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part: string) => (text += part));
        answer.on('end', () => {
          if (answer.statusCode === 200) resolve(text);
          else reject(new Error(`/metrics answered ${answer.statusCode}: ${text}`));
        });
      },
    );
    asked.on('error', reject);
    asked.end();
  });
}

/** Metrics without labels by name. */
export async function metricsOf(directory: string): Promise<ReadonlyMap<string, number>> {
  const text = await metricsText(directory);
  return new Map([...text.matchAll(/^(\w+) (\S+)$/gm)].map(([, name, value]) => [name!, Number(value)]));
}
