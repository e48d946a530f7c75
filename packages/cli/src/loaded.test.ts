import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { directory, run, serve } from './command.ts';

/** Runs before a command and leaves the URL of each file that it loaded, a line each. */
const listing = `
import { writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
const urls = [];
registerHooks({
  load(url, context, next) {
    urls.push(url);
    return next(url, context);
  },
});
process.on('exit', () => writeFileSync(process.env.LOADED_FILE, urls.join('\\n')));
`;

/** Packages that a command loads something of: those of npm by their name, ours as `@ashlar/NAME`. */
async function packagesOf(t: ExecutionContext, parameters: readonly string[]): Promise<string[]> {
  const folder = directory(t);
  const hook = join(folder, 'listing.mjs');
  const file = join(folder, 'loaded');
  writeFileSync(hook, listing);
  const { status, errors } = await run(parameters, { NODE_OPTIONS: `--import=${hook}`, LOADED_FILE: file });
  t.is(status, 0, errors);
  const names = new Set<string>();
  for (const url of readFileSync(file, 'utf8').split('\n')) {
    const foreign = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
    const own = /\/packages\/([^/]+)\//.exec(url)?.[1];
    if (foreign !== undefined) names.add(foreign);
    else if (own !== undefined) names.add(`@ashlar/${own}`);
  }
  return [...names].toSorted();
}

/** The words of the commands, what a client must know of a server, and how names are checked. */
const light = ['@ashlar/cli', '@ashlar/core', '@ashlar/server', '@ashlar/volume', 'commander'];

const forTables = ['ansi-regex', 'cli-table3', 'emoji-regex', 'is-fullwidth-code-point', 'string-width', 'strip-ansi'];

for (const parameters of [['--version'], ['--help'], ['serve', '--help'], ['volume', 'create', '--help']]) {
  test(`ashlar ${parameters.join(' ')} loads the words of the commands only`, async (t) => {
    t.deepEqual(await packagesOf(t, parameters), light);
  });
}

test('a command that talks to a server loads nothing that a server is made of', async (t) => {
  const { data } = await serve(t, '--volume', 'demo:1M');
  const allowed = new Set([...light, ...forTables]);
  for (const parameters of [
    ['volume', 'ls'],
    ['export', 'show', 'demo'],
    ['status'],
    ['top', '--once', '--interval', '0.1'],
  ]) {
    const loaded = await packagesOf(t, [...parameters, '--data', data]);
    t.deepEqual(
      loaded.filter((name) => !allowed.has(name)),
      [],
      parameters.join(' '),
    );
  }
});

test('a server loads what makes its metrics only when they are asked for', async (t) => {
  const command = (words: string): string[] => [
    'serve',
    '--data',
    join(directory(t), 'data'),
    '--port',
    '0',
    '--admin-port',
    '0',
    '--run',
    words,
  ];
  const loads = async (words: string): Promise<boolean> =>
    (await packagesOf(t, command(words))).includes('prom-client');
  t.false(await loads('true'));
  t.true(await loads('curl -sSf -H "Authorization: Bearer $token" $admin/metrics'));
});
