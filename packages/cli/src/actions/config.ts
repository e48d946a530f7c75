import { configKeys, fileKey, loadConfig, readExportsFile, toVariable, type LoadedConfig } from '@ashlar/server';
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

const load = ({ config: file }: Options): LoadedConfig => loadConfig({ file, environment: process.env });

export function checkConfig(options: Options): void {
  const { config, file } = load(options);
  // Which volumes there are only the server knows.
  if (config.nfs.exports !== undefined) readExportsFile(config.nfs.exports);
  show(options.json, { ok: true, file: file ?? null }, () => `${file ?? 'the configuration (no file)'} is in order`);
}

export function showConfig(options: Options): void {
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
}
