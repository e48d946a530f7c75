import test from 'ava';
import type { Command } from 'commander';
import { createProgram } from './index.ts';

function all(command: Command): Command[] {
  return [command, ...command.commands.flatMap(all)];
}

test('every command says what it does, and names its arguments and options in its help', (t) => {
  const commands = all(createProgram(() => undefined));
  t.true(commands.length > 15);
  for (const command of commands) {
    t.not(command.description(), '', command.name());
    const help = command.helpInformation();
    for (const option of command.options) {
      t.true(help.includes(option.long ?? ''), `${command.name()} ${option.flags}`);
      t.not(option.description, '', `${command.name()} ${option.flags}`);
    }
  }
});
