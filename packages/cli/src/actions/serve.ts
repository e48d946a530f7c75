import type { Worker } from 'node:worker_threads';
import { endProcess } from '@ashlar/host';
import {
  createLogger,
  loadConfig,
  Notifier,
  passedDescriptors,
  runCaptive,
  Server,
  type LoadedConfig,
  type NamedVolume,
} from '@ashlar/server';
import { exitStatus, sentenceOf } from '../failure.ts';
import { mountLine } from '../nfs-snippets.ts';
import { print } from '../output.ts';

export type ServeOptions = {
  readonly config?: string;
  readonly data?: string;
  readonly listen?: readonly string[];
  readonly port?: number;
  readonly device?: string;
  readonly nfsPort?: number;
  readonly adminPort?: number;
  readonly volume?: readonly NamedVolume[];
  readonly run?: string;
  readonly logLevel?: string;
};

/** How a client attaches, a line each. */
function howToAttach(server: Server): string {
  const { nbd, nbdSocket, nfs, admin } = server.addresses;
  const [disk] = server.exportsOver('nbd');
  const [files] = server.exportsOver('nfs');
  const name = disk ?? 'NAME';
  const uri = server.urisOf(name)[0] ?? '';
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(nbd[0] ?? '') ?? [];
  const lines = [
    `Ashlar serves NBD on ${[...nbd, ...(nbdSocket === undefined ? [] : [nbdSocket])].join(' and ')}, ${nfs.length === 0 ? '' : `NFS on ${nfs.join(' and ')}, `}its admin API on ${admin}.`,
    ...(files === undefined ? [] : [`  files:       ${mountLine(files, server.urisOf(files)[0] ?? '')}`]),
    ...(disk === undefined ? ['  first:       ashlar volume create NAME --size 10G'] : []),
    `  look:        nbdinfo '${uri}'`,
    `  qemu:        qemu-system-x86_64 -drive 'file=${uri},format=raw,if=virtio,discard=unmap'`,
    `  libvirt:     ashlar export show ${name} --format libvirt`,
    ...(port === '' ? [] : [`  the kernel:  nbd-client ${host} ${port} /dev/nbd0 -N ${name}`]),
    `  copy:        nbdcopy '${uri}' copy.raw`,
    `  image:       qemu-img convert -n -O raw IMAGE '${uri}'`,
  ];
  return lines.join('\n');
}

/** What the command line says, by key of the configuration. */
function overridesOf(options: ServeOptions): Record<string, unknown> {
  const { data, device, listen, port, nfsPort, adminPort, logLevel } = options;
  return {
    data,
    'pool.device': device,
    listen,
    'nbd.port': port,
    'nfs.port': nfsPort,
    'admin.port': adminPort,
    'log.level': logLevel,
  };
}

/** With --run what nobody set is out of the way of other servers: free ports, and no word unless something is wrong. */
function load(options: ServeOptions): LoadedConfig {
  const overrides = overridesOf(options);
  const read = (): LoadedConfig => loadConfig({ file: options.config, environment: process.env, overrides });
  const loaded = read();
  if (options.run === undefined) return loaded;
  for (const [key, value] of [
    ['nbd.port', 0],
    ['nfs.port', 0],
    ['admin.port', 0],
    ['log.level', 'warn'],
  ] as const) {
    if (loaded.origins.get(key) === 'default') overrides[key] = value;
  }
  return read();
}

/** Runs until a signal or the command's end; gives the process's status. `worker` is the data plane's. */
export async function serve(options: ServeOptions, worker: Worker): Promise<number> {
  const loaded = load(options);
  const logger = createLogger(loaded.config.log.level);
  const notifier = new Notifier(process.env);
  const server = await Server.start({
    loaded,
    reload: () => load(options),
    volumes: options.volume ?? [],
    logger,
    passed: passedDescriptors(process.env),
    worker,
    onDeath: (error) => {
      logger.fatal({ error }, 'the data worker died: the process ends, and the next start recovers');
      endProcess(exitStatus.failed);
    },
  });
  const stopped = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      // Whoever asks twice does not want to wait: what was acknowledged is safe all the same.
      if (stopped.signal.aborted) endProcess(exitStatus.failed);
      stopped.abort();
    });
  }
  process.on('SIGHUP', () => {
    notifier.reloading();
    void server
      .reload()
      .catch((error: unknown) => logger.error(`the configuration stays as it was: ${sentenceOf(error)}`))
      .then(() => notifier.ready('Serving'));
  });
  notifier.ready('Serving');
  const status =
    options.run === undefined
      ? await untilStopped(server, stopped.signal)
      : await captive(server, options.run, stopped.signal);
  notifier.stopping('Finishing what is in flight');
  await server.stop();
  notifier.close();
  return status;
}

async function untilStopped(server: Server, signal: AbortSignal): Promise<number> {
  print(howToAttach(server));
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  return exitStatus.done;
}

function captive(server: Server, command: string, signal: AbortSignal): Promise<number> {
  const { nbd, nbdSocket, nfs, admin } = server.addresses;
  const address = nbd[0];
  const [, nfsHost = '', nfsPort = ''] = /^(.*):(\d+)$/.exec(nfs[0] ?? '') ?? [];
  const scheme = server.urisOf('')[0]?.split(':')[0] ?? 'nbd';
  const variables = {
    nbd: address === undefined ? '' : `${scheme}://${address}`,
    nbdsock: nbdSocket ?? '',
    nfs: nfsHost === '' ? '' : `nfs://${nfsHost}`,
    nfsport: nfsPort,
    admin,
    token: server.token,
    ASHLAR_DATA: server.dataDirectory,
  };
  return runCaptive(command, variables, signal);
}
