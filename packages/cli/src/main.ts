import { CommanderError } from 'commander';
import { exitStatus, sentenceOf, UsageError } from './failure.ts';
import { createProgram } from './program.ts';

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
