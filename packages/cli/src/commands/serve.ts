import { parseVolumeOption } from '@ashlar/server/client';
import type { Command } from 'commander';
import type { ServeOptions } from '../actions/serve.ts';
import { argument, collect, numberArgument } from '../options.ts';

const examples = `
Examples:
  ashlar serve
      a pool in ./ashlar-data, served on 127.0.0.1:10809
  ashlar serve --data /srv/pool --volume demo:10G
      with a volume named demo, made where it is not there
  ashlar serve --data /srv/pool --volume home:1T:file
      with a file volume named home, mounted over NFS
  ashlar serve --data /srv/pool --device /dev/vg/data
      a new pool whose data lies on a device or a logical volume; later starts find it there
  ashlar serve --data /tmp/d --volume demo:10G --run 'nbdinfo $nbd/demo'
      serves, runs the command, stops, and ends with its status

In the command of --run: $nbd (nbd://ADDRESS:PORT, with /NAME behind it a URI), $nbdsock (path of the Unix socket),
$nfs (nfs://ADDRESS, with /NAME?nfsport=$nfsport&mountport=$nfsport behind it a URI), $nfsport, $admin (URL of the admin API) and $token.`;

export function addServeCommand(program: Command, setStatus: (status: number) => void): void {
  const port = numberArgument(0, 65535);
  program
    .command('serve')
    .summary('serve the volumes of a pool')
    .option('--config <FILE>', 'configuration file (ASHLAR_CONFIG; default ashlar.toml where it is there)')
    .option('--data <DIR>', 'directory of the pool, made where it is missing (default ./ashlar-data)')
    .option('--device <DEVICE>', 'device that the data of a new pool lies on, and nothing else, such as /dev/vg/data')
    .option(
      '--listen <ADDRESS>',
      'address to listen on; may be given several times',
      collect((text) => text),
    )
    .option('--port <PORT>', 'NBD port; 0 takes a free one', port)
    .option('--nfs-port <PORT>', 'NFS port; 0 takes a free one', port)
    .option('--admin-port <PORT>', 'port of the admin API; 0 takes a free one', port)
    .option(
      '--volume <NAME:SIZE[:file]>',
      'volume to make where it is not there; may be given several times',
      collect(argument(parseVolumeOption)),
    )
    .option('--run <COMMAND>', 'serve, run the command, stop, end with its status')
    .option('--log-level <LEVEL>', 'fatal, error, warn, info, debug, trace or silent')
    .addHelpText('after', examples)
    .action(async (options: ServeOptions) => {
      // The worker loads its code while this thread loads the server.
      const { endWorker, startWorker } = await import('@ashlar/plane/start-worker');
      const worker = startWorker();
      try {
        const { serve } = await import('../actions/serve.ts');
        setStatus(await serve(options, worker));
      } finally {
        await endWorker(worker);
      }
    });
}
