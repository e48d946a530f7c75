import { version } from '@ashlar/server/client';
import { Command } from 'commander';
import { addBenchCommand } from './commands/bench.ts';
import { addCheckCommand } from './commands/check.ts';
import { addConfigCommands } from './commands/config.ts';
import { addDebugCommands } from './commands/debug.ts';
import { addExportCommands } from './commands/export.ts';
import { addImageCommands } from './commands/image.ts';
import { addLvmCommands } from './commands/lvm.ts';
import { addNfsCommands } from './commands/nfs.ts';
import { addScrubCommands } from './commands/scrub.ts';
import { addServeCommand } from './commands/serve.ts';
import { addStatusCommand } from './commands/status.ts';
import { addTopCommand } from './commands/top.ts';
import { addVolumeCommands } from './commands/volume.ts';

const examples = `
Examples:
  ashlar serve --volume demo:10G                       serve a sparse 10 GiB disk from ./ashlar-data
  ashlar volume create data --size 100G                make another one
  ashlar export show demo --format qemu                print what attaches it
  ashlar status                                        look at the server

'ashlar COMMAND --help' says more of each command.`;

/** The `ashlar` command. `setStatus` is told the status that the process should end with. */
export function createProgram(setStatus: (status: number) => void): Command {
  const program = new Command('ashlar')
    .description('Sparse, checksummed network disks and file systems: the server and its tools.')
    .version(version, '--version')
    .addHelpText('after', examples)
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  addServeCommand(program, setStatus);
  addVolumeCommands(program, setStatus);
  addExportCommands(program);
  addStatusCommand(program);
  addNfsCommands(program);
  addTopCommand(program);
  addBenchCommand(program);
  addCheckCommand(program, setStatus);
  addScrubCommands(program, setStatus);
  addImageCommands(program, setStatus);
  addLvmCommands(program);
  addConfigCommands(program);
  addDebugCommands(program);
  return program;
}
