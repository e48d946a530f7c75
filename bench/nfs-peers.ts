import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ask } from './admin.ts';
import type { Cleanup } from './cleanup.ts';
import { run, start, type Program } from './process.ts';

/** A server of files in a network namespace of its own, where it has all ports, and so have its clients. */
export type NfsRunning = {
  readonly name: string;
  readonly pid: number;
  readonly netns: string;
  /** What is mounted, with a change of names durable before it is answered, and not. */
  readonly path: string;
  readonly asyncPath: string;
  readonly directory: string;
  stop(): Promise<void>;
};

export type NfsServer = {
  readonly name: string;
  /** The programs that must be installed. */
  readonly tools: readonly string[];
  start(directory: string, cleanup: Cleanup): Promise<NfsRunning>;
};

const mostStartMs = 180_000;
let namespaces = 0;

/** A namespace with nothing but its loopback. */
async function makeNamespace(server: string, cleanup: Cleanup): Promise<string> {
  namespaces += 1;
  const name = `bench-${server}-${process.pid}-${namespaces}`;
  await run('ip', ['netns', 'add', name]);
  cleanup.add(async () => {
    await run('ip', ['netns', 'delete', name]).catch(() => undefined);
  });
  await inside(name, 'ip', ['link', 'set', 'lo', 'up']);
  return name;
}

/** Runs a program in a namespace to its end. */
export const inside = (netns: string, command: string, words: readonly string[]): Promise<string> =>
  run('ip', ['netns', 'exec', netns, command, ...words]);

const startInside = (netns: string, command: string, words: readonly string[]): Program =>
  start('ip', ['netns', 'exec', netns, command, ...words]);

/** Settles when NFS answers there. */
async function answering(netns: string, program: Program): Promise<void> {
  const untilMs = performance.now() + mostStartMs;
  for (;;) {
    try {
      await inside(netns, 'rpcinfo', ['-t', '127.0.0.1', '100003', '3']);
      return;
    } catch (error) {
      if (program.hasEnded() || performance.now() > untilMs) {
        throw new Error(`the server did not start: ${program.output()}`, { cause: error });
      }
    }
    await delay(100);
  }
}

const command = fileURLToPath(new URL('../packages/cli/bin/ashlar.js', import.meta.url));

export const ashlarNfs: NfsServer = {
  name: 'ashlar',
  tools: ['ip', 'rpcinfo'],
  async start(directory, cleanup) {
    const isNew = (await mkdir(directory, { recursive: true })) !== undefined;
    const netns = await makeNamespace('ashlar', cleanup);
    const options = ['--data', directory, '--volume', 'home:100G:file', '--log-level', 'warn', '--port', '0'];
    const program = startInside(netns, process.execPath, [command, 'serve', ...options, '--admin-port', '0']);
    cleanup.add(() => program.stop());
    await answering(netns, program);
    if (isNew) await ask(directory, 'POST', '/v1/exports', { name: 'fast', source: 'home', nfs: { sync: false } });
    return {
      name: 'ashlar',
      pid: program.pid,
      netns,
      path: '/home',
      asyncPath: '/fast',
      directory,
      stop: () => program.stop(),
    };
  },
};

const ganeshaConfiguration = (directory: string): string => `
NFS_CORE_PARAM { Protocols = 3; NFS_Port = 2049; MNT_Port = 20048; NLM_Port = 20049; Rquota_Port = 20050; }
NFSV4 { Graceless = true; }
LOG { Default_Log_Level = WARN; }
EXPORT {
  Export_Id = 1; Path = ${directory}/files; Pseudo = /home; Protocols = 3; Access_Type = RW;
  Squash = No_Root_Squash; SecType = sys; Transports = TCP;
  FSAL { Name = VFS; }
}
`;

/** Of Debian, over a directory: it syncs no change of names. */
export const ganesha: NfsServer = {
  name: 'NFS-Ganesha',
  tools: ['ip', 'rpcinfo', 'rpcbind', 'ganesha.nfsd'],
  async start(directory, cleanup) {
    await mkdir(join(directory, 'files'), { recursive: true });
    const netns = await makeNamespace('ganesha', cleanup);
    const rpcbind = startInside(netns, 'rpcbind', ['-w', '-f', '-a']);
    cleanup.add(() => rpcbind.stop());
    await delay(500);
    const configuration = join(directory, 'ganesha.conf');
    await writeFile(configuration, ganeshaConfiguration(directory));
    const words = ['-F', '-L', join(directory, 'log'), '-f', configuration, '-p', join(directory, 'pid')];
    const program = startInside(netns, 'ganesha.nfsd', words);
    cleanup.add(() => program.stop('SIGKILL'));
    await answering(netns, program);
    return {
      name: 'NFS-Ganesha',
      pid: program.pid,
      netns,
      path: `${directory}/files`,
      asyncPath: `${directory}/files`,
      directory,
      async stop() {
        await program.stop('SIGKILL');
        await rpcbind.stop();
      },
    };
  },
};
