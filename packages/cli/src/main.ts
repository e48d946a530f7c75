import { CommanderError } from 'commander';
import { exitStatus, sentenceOf, UsageError } from './failure.ts';
import { createProgram } from './program.ts';

/** Who reads the output has gone (`ashlar volume ls | head -1`): that is no failure, and nothing for a server to end by. */
function ignoreGone(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

process.stdout.on('error', ignoreGone);
process.stderr.on('error', ignoreGone);

let status: number = exitStatus.done;

try {
  await createProgram((found) => {
    status = found;
  }).parseAsync();
} catch (error) {
  if (error instanceof CommanderError) status = error.exitCode === 0 ? exitStatus.done : exitStatus.usage;
  else {
    process.stderr.write(`ashlar: ${sentenceOf(error)}\n`);
    status = error instanceof UsageError ? exitStatus.usage : exitStatus.failed;
  }
}
process.exitCode = status;
