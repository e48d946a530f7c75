import test from 'ava';
import type { Command } from 'commander';
import { createProgram } from './index.ts';

function all(command: Command): Command[] {
  return [command, ...command.commands.flatMap(all)];
}

test('the help of every command names its options', (t) => {
  const commands = all(createProgram(() => undefined));
  t.true(commands.length > 15);
  for (const command of commands) {
    const help = command.helpInformation();
    for (const option of command.options) {
      t.true(help.includes(option.long ?? ''), `${command.name()} ${option.flags}`);
    }
  }
});
