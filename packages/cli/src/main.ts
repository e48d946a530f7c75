import { invoke } from './invoke.ts';

/** Who reads the output has gone (`ashlar volume ls | head -1`): that is no failure, and nothing for a server to end by. */
function ignoreGone(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

process.stdout.on('error', ignoreGone);
process.stderr.on('error', ignoreGone);

process.exitCode = await invoke(process.argv.slice(2));
