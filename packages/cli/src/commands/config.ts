import { configKeys, fileKey, loadConfig, toVariable, type LoadedConfig } from '@ashlar/server';
import type { Command } from 'commander';
import { print, show, table } from '../output.ts';

type Options = { readonly config?: string; readonly json?: boolean };

type Row = {
  readonly key: string;
  readonly value: unknown;
  readonly from: string;
  readonly variable: string;
  readonly help: string;
};

function rowsOf({ config, origins }: LoadedConfig): Row[] {
  return configKeys.map(({ path, help }) => {
    let value: unknown = config;
    for (const name of path) value = (value as { readonly [name: string]: unknown })[name];
    const key = fileKey(path);
    return { key, value: value ?? null, from: origins.get(key) ?? 'default', variable: toVariable(path), help };
  });
}

export function addConfigCommands(program: Command): void {
  const config = program.command('config').summary('check and show the configuration of the server');
  const load = ({ config: file }: Options): LoadedConfig => loadConfig({ file, environment: process.env });
  config
    .command('check')
    .summary('find faults without starting anything')
    .option('--config <FILE>', 'configuration file (ASHLAR_CONFIG; default ashlar.toml where it is there)')
    .option('--json', 'print JSON')
    .action((options: Options) => {
      const { file } = load(options);
      show(
        options.json,
        { ok: true, file: file ?? null },
        () => `${file ?? 'the configuration (no file)'} is in order`,
      );
    });
  config
    .command('show')
    .summary('show every key, its value, where that came from and the variable that sets it')
    .option('--config <FILE>', 'configuration file (ASHLAR_CONFIG; default ashlar.toml where it is there)')
    .option('--json', 'print JSON')
    .action((options: Options) => {
      const rows = rowsOf(load(options));
      if (options.json === true) print(JSON.stringify(rows, null, 2));
      else {
        print(
          table(
            [
              { title: 'KEY', text: ({ key }) => key },
              { title: 'VALUE', text: ({ value }) => (value === null ? '' : JSON.stringify(value)) },
              { title: 'FROM', text: ({ from }) => from },
              { title: 'VARIABLE', text: ({ variable }) => variable },
              { title: 'WHAT FOR', text: ({ help }) => help },
            ],
            rows,
          ),
        );
      }
    });
}
