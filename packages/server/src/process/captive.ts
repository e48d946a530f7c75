import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** The variables that the command finds its server by. */
type CaptiveVariables = {
  /** `nbd://ADDRESS:PORT`: with `/NAME` behind it the URI of an export. */
  readonly nbd: string;
  /** Path of the Unix socket; empty where there is none. */
  readonly nbdsock: string;
  /** `nfs://ADDRESS`: with `/NAME` behind it, and the port as libnfs wants it, a URI; empty where nothing is exported. */
  readonly nfs: string;
  readonly nfsport: string;
  readonly admin: string;
  readonly token: string;
  /** The data directory: by it the `ashlar` command finds the server. */
  readonly ASHLAR_DATA: string;
};

/**
 * Runs `command` through `sh -c` with the variables in its environment, and gives its status: as the shell tells it, 128
 * and the signal's number where one ended it. `signal` ends the command.
 */
export function runCaptive(command: string, variables: CaptiveVariables, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const environment = { ...process.env, ...variables };
    const child = spawn('/bin/sh', ['-c', command], { stdio: 'inherit', env: environment });
    const stop = (): void => void child.kill('SIGTERM');
    signal.addEventListener('abort', stop, { once: true });
    child.on('error', reject);
    child.on('exit', (code, name) => {
      signal.removeEventListener('abort', stop);
      resolve(code ?? 128 + (name === null ? 0 : constants.signals[name]));
    });
  });
}
