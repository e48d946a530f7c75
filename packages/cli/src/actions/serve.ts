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
} from '@ashlar/server';
import { exitStatus, sentenceOf } from '../failure.ts';
import { print } from '../output.ts';

export type ServeOptions = {
  readonly config?: string;
  readonly data?: string;
  readonly listen?: readonly string[];
  readonly port?: number;
  readonly device?: string;
  readonly adminPort?: number;
  readonly volume?: readonly { readonly name: string; readonly sizeBytes: number }[];
  readonly run?: string;
  readonly logLevel?: string;
};

/** How a client attaches, a line each. */
function howToAttach(server: Server): string {
  const { nbd, nbdSocket, admin } = server.addresses;
  const name = server.exportNames[0] ?? 'NAME';
  const uri = server.urisOf(name)[0] ?? '';
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(nbd[0] ?? '') ?? [];
  const lines = [
    `Ashlar serves NBD on ${[...nbd, ...(nbdSocket === undefined ? [] : [nbdSocket])].join(' and ')}, its admin API on ${admin}.`,
    ...(server.exportNames.length === 0 ? ['  first:       ashlar volume create NAME --size 10G'] : []),
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
function overridesOf({ data, device, listen, port, adminPort, logLevel }: ServeOptions): Record<string, unknown> {
  return { data, 'pool.device': device, listen, 'nbd.port': port, 'admin.port': adminPort, 'log.level': logLevel };
}

/** With --run what nobody set is out of the way of other servers: free ports, and no word unless something is wrong. */
function load(options: ServeOptions): LoadedConfig {
  const overrides = overridesOf(options);
  const read = (): LoadedConfig => loadConfig({ file: options.config, environment: process.env, overrides });
  const loaded = read();
  if (options.run === undefined) return loaded;
  for (const [key, value] of [
    ['nbd.port', 0],
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
    try {
      server.reload();
    } catch (error) {
      logger.error(`the configuration stays as it was: ${sentenceOf(error)}`);
    }
    notifier.ready('Serving');
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
  const { nbd, nbdSocket, admin } = server.addresses;
  const address = nbd[0];
  const scheme = server.urisOf('')[0]?.split(':')[0] ?? 'nbd';
  const variables = {
    nbd: address === undefined ? '' : `${scheme}://${address}`,
    nbdsock: nbdSocket ?? '',
    admin,
    token: server.token,
    ASHLAR_DATA: server.dataDirectory,
  };
  return runCaptive(command, variables, signal);
}
