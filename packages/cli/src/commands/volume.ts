import { formatSize } from '@ashlar/core';
import type { VolumeView } from '@ashlar/server';
import { Option, type Command } from 'commander';
import { AdminClient } from '../client.ts';
import { numberArgument, sizeArgument, withServer, type ServerOptions } from '../options.ts';
import { facts, print, show, table, type Column } from '../output.ts';

type Limits = {
  readonly iops?: number;
  readonly readIops?: number;
  readonly writeIops?: number;
  readonly bps?: number;
  readonly readBps?: number;
  readonly writeBps?: number;
};

const columns: readonly Column<VolumeView>[] = [
  { title: 'NAME', text: ({ name }) => name },
  { title: 'SIZE', text: ({ sizeBytes }) => formatSize(sizeBytes), right: true },
  { title: 'USED', text: ({ allocatedBytes }) => formatSize(allocatedBytes), right: true },
  { title: 'STATE', text: ({ state }) => state },
  { title: 'CLIENTS', text: ({ connections }) => String(connections), right: true },
  { title: 'EXPORTS', text: ({ exports }) => exports.join(',') },
];

function describe(volume: VolumeView): string {
  const { name, uuid, type, sizeBytes, allocatedBytes, preallocation, created, limits, exports, connections } = volume;
  const { state, reason, afterLoss } = volume;
  return facts([
    ['name', name],
    ['uuid', uuid],
    ['type', type],
    ['state', reason === undefined ? state : `${state}: ${reason}`],
    ['after a loss', afterLoss],
    ['size', `${formatSize(sizeBytes)} (${sizeBytes} bytes)`],
    ['used', `${formatSize(allocatedBytes)} (${allocatedBytes} bytes)`],
    ['preallocation', preallocation],
    ['created', created],
    ['limits', Object.keys(limits).length === 0 ? 'none' : JSON.stringify(limits)],
    ['exports', exports.join(', ') || 'none'],
    ['clients', String(connections)],
  ]);
}

const one = (name: string): string => `/v1/volumes/${encodeURIComponent(name)}`;

function direction(operationsPerSecond: number | undefined, bytesPerSecond: number | undefined): object | undefined {
  if (operationsPerSecond === undefined && bytesPerSecond === undefined) return undefined;
  return {
    ...(operationsPerSecond === undefined ? {} : { operationsPerSecond }),
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
  };
}

/** The limits as the API takes them; undefined when none was named. */
function limitsOf(options: Limits): object | undefined {
  const { iops, readIops, writeIops, bps, readBps, writeBps } = options;
  const parts = {
    total: direction(iops, bps),
    read: direction(readIops, readBps),
    write: direction(writeIops, writeBps),
  };
  const named = Object.entries(parts).filter(([, limit]) => limit !== undefined);
  return named.length === 0 ? undefined : Object.fromEntries(named);
}

function withLimits(command: Command): Command {
  const count = numberArgument(1, 1e9);
  return command
    .option('--iops <N>', 'most operations a second', count)
    .option('--read-iops <N>', 'most reads a second', count)
    .option('--write-iops <N>', 'most writes a second', count)
    .option('--bps <SIZE>', 'most bytes a second, such as 100M', sizeArgument)
    .option('--read-bps <SIZE>', 'most bytes read a second', sizeArgument)
    .option('--write-bps <SIZE>', 'most bytes written a second', sizeArgument);
}

const afterLossOption = (help: string): Option => new Option('--after-loss <WHAT>', help).choices(['hold', 'serve']);

const required = (flags: string, help: string): Option =>
  new Option(flags, help).argParser(sizeArgument).makeOptionMandatory();

function addCreate(volume: Command): void {
  withServer(withLimits(volume.command('create <NAME>')))
    .summary('make a volume and offer it under its name')
    .addOption(required('--size <SIZE>', 'size, such as 10G'))
    .addOption(
      new Option('--preallocation <MODE>', 'as qemu-img means it').choices(['off', 'falloc', 'full']).default('off'),
    )
    .addOption(new Option('--type <TYPE>', 'what the volume holds').choices(['block']).default('block'))
    .addOption(afterLossOption('when writes of a client on another machine may be lost (default: hold)'))
    .option('--no-export', 'offer it later, with: ashlar export add')
    .addHelpText(
      'after',
      '\nExamples:\n  ashlar volume create demo --size 10G\n  ashlar volume create db --size 1T --preallocation falloc --iops 5000',
    )
    .action(
      async (
        name: string,
        options: ServerOptions & Limits & { size: number; preallocation: string; export: boolean; afterLoss?: string },
      ) => {
        const { size, preallocation, export: exported, afterLoss } = options;
        const limits = limitsOf(options) ?? {};
        const made = await AdminClient.find(options).post<VolumeView>('/v1/volumes', {
          name,
          size,
          preallocation,
          exported,
          limits,
          ...(afterLoss === undefined ? {} : { afterLoss }),
        });
        show(options.json, made, () => `made the volume ${name} of ${formatSize(made.sizeBytes)}`);
      },
    );
}

function addLooking(volume: Command): void {
  withServer(volume.command('ls').alias('list'))
    .summary('list volumes')
    .action(async (options: ServerOptions) => {
      const volumes = await AdminClient.find(options).get<VolumeView[]>('/v1/volumes');
      const empty = "no volumes yet: make one with 'ashlar volume create NAME --size 10G'";
      show(options.json, volumes, () => (volumes.length === 0 ? empty : table(columns, volumes)));
    });
  withServer(volume.command('show <NAME>'))
    .summary('show one volume')
    .action(async (name: string, options: ServerOptions) => {
      show(options.json, await AdminClient.find(options).get<VolumeView>(one(name)), describe);
    });
}

function addChanging(volume: Command): void {
  withServer(volume.command('resize <NAME>'))
    .summary('make a volume larger, also while clients use it')
    .addOption(required('--size <SIZE>', 'the new size, such as 20G'))
    .option('--shrink', 'a smaller size may cut contents off')
    .addHelpText('after', '\nExample:\n  ashlar volume resize demo --size 20G')
    .action(async (name: string, options: ServerOptions & { size: number; shrink?: boolean }) => {
      const { size, shrink = false } = options;
      const changed = await AdminClient.find(options).patch<VolumeView>(one(name), { size, shrink });
      show(options.json, changed, () => `the volume ${name} has ${formatSize(changed.sizeBytes)} now`);
    });
  withServer(volume.command('rename <NAME> <NEW>'))
    .summary('rename a volume and the export of its name; clients stay attached')
    .action(async (name: string, to: string, options: ServerOptions) => {
      const changed = await AdminClient.find(options).patch<VolumeView>(one(name), { name: to });
      show(options.json, changed, () => `the volume ${name} is called ${to} now`);
    });
  withServer(withLimits(volume.command('limit <NAME>')))
    .summary('limit operations and bytes a second; what is not named is not limited')
    .addHelpText(
      'after',
      '\nExamples:\n  ashlar volume limit demo --iops 5000 --bps 200M\n  ashlar volume limit demo        (no limits)',
    )
    .action(async (name: string, options: ServerOptions & Limits) => {
      const changed = await AdminClient.find(options).patch<VolumeView>(one(name), { limits: limitsOf(options) ?? {} });
      show(options.json, changed, describe);
    });
  withServer(volume.command('accept <NAME>'))
    .summary('serve a volume again that is held after a loss; see whether what it holds is whole')
    .addOption(afterLossOption('what later losses do to it'))
    .addHelpText('after', '\nExamples:\n  ashlar volume accept demo\n  ashlar volume accept scratch --after-loss serve')
    .action(async (name: string, options: ServerOptions & { afterLoss?: string }) => {
      const { afterLoss } = options;
      const body = afterLoss === undefined ? {} : { afterLoss };
      const taken = await AdminClient.find(options).post<VolumeView>(`${one(name)}/accept`, body);
      show(options.json, taken, () => `the volume ${name} is served; after a later loss: ${taken.afterLoss}`);
    });
  withServer(volume.command('rm <NAME...>').alias('remove'))
    .summary('remove volumes, their contents and their exports')
    .option('--force', 'also while clients are attached: their connections end')
    .action(async (names: string[], options: ServerOptions & { force?: boolean }) => {
      const client = AdminClient.find(options);
      // All are looked up first: a name that is typed wrong costs none of the others.
      for (const name of names) await client.get<VolumeView>(one(name));
      for (const name of names) await client.delete(`${one(name)}?force=${options.force === true}`);
      if (options.json === true) print(JSON.stringify({ removed: names }));
    });
}

export function addVolumeCommands(program: Command): void {
  const volume = program
    .command('volume')
    .summary('make, list, show, resize, rename, limit, accept and remove volumes');
  addCreate(volume);
  addLooking(volume);
  addChanging(volume);
}
