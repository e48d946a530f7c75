import { readFileSync } from 'node:fs';
import { createProgram } from '@ashlar/cli';
import test from 'ava';

const page = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');

type Command = ReturnType<typeof createProgram>;

/** Options that every command of a kind has; the page says them once, above the tables. */
const common = new Set(['--admin', '--data', '--token', '--json', '--config']);

/** Each command that does something, as it is typed. */
function leaves(command: Command, above: string): { readonly synopsis: string; readonly command: Command }[] {
  const name = `${above}${command.name()}`;
  if (command.commands.length > 0) return command.commands.flatMap((each) => leaves(each, `${name} `));
  const given = command.registeredArguments.map((argument) => {
    const shown = argument.variadic ? `${argument.name()}...` : argument.name();
    return argument.required ? ` <${shown}>` : ` [${shown}]`;
  });
  return [{ synopsis: `${name}${given.join('')}`, command }];
}

const commands = leaves(
  createProgram(() => undefined),
  '',
);

test('docs/cli.md has every command with its arguments', (t) => {
  for (const { synopsis } of commands) t.true(page.includes(`\`${synopsis}\``), synopsis);
});

test('docs/cli.md names every option', (t) => {
  for (const { synopsis, command } of commands) {
    for (const { long } of command.options) {
      const name = long ?? '';
      t.true(common.has(name) || page.includes(`\`${name}`), `${synopsis} ${name}`);
    }
  }
});

test('docs/cli.md names no option that is not there', (t) => {
  const known = new Set(commands.flatMap(({ command }) => command.options.map(({ long }) => long)));
  for (const [, name] of page.matchAll(/`(--[a-z-]+)/g)) t.true(known.has(name), name);
});
