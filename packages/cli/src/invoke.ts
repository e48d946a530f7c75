import { CommanderError } from 'commander';
import { exitStatus, sentenceOf, UsageError } from './failure.ts';
import { createProgram } from './program.ts';

/** Runs one command to its end; what it prints goes to this process's streams. Gives the exit status. */
export async function invoke(words: readonly string[]): Promise<number> {
  let status: number = exitStatus.done;
  try {
    await createProgram((found) => {
      status = found;
    }).parseAsync(words, { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitStatus.done : exitStatus.usage;
    process.stderr.write(`ashlar: ${sentenceOf(error)}\n`);
    return error instanceof UsageError ? exitStatus.usage : exitStatus.failed;
  }
}
