import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** The text of a file below `deploy/`. */
export const deployed = (path: string): Promise<string> => readFile(join(root, 'deploy', path), 'utf8');

/** Runs the `ashlar` command and answers with what it printed; a status but 0 rejects. */
export async function ashlar(...options: readonly string[]): Promise<string> {
  const command = [join(root, 'packages/cli/bin/ashlar.js'), ...options];
  const { stdout } = await promisify(execFile)(process.execPath, command, { maxBuffer: 2 ** 26 });
  return stdout;
}

/** Serves a new pool with one volume, `demo`, for as long as a shell command runs, and answers with what that printed. */
async function whileServing(command: string): Promise<string> {
  const data = await mkdtemp(join(tmpdir(), 'ashlar-deploy-'));
  try {
    const ports = ['--port', '0', '--admin-port', '0'];
    return await ashlar('serve', '--data', data, ...ports, '--volume', 'demo:1G', '--run', command);
  } finally {
    await rm(data, { recursive: true });
  }
}

const fetchMetrics = `${process.execPath} -e "
  fetch(process.env.admin + '/metrics', { headers: { authorization: 'Bearer ' + process.env.token } })
    .then((answer) => answer.text()).then((text) => process.stdout.write(text));"`;

/** What a new server with one volume exports to Prometheus. */
export const metricsOf = (): Promise<string> => whileServing(fetchMetrics);

/** The long options that a text of `--help` lists. */
export function optionsIn(help: string): ReadonlySet<string> {
  return new Set([...help.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, option]) => option!));
}
