import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '@ashlar/server';
import test from 'ava';
import { ashlar, deployed, optionsIn, root } from './ashlar.ts';

async function checkOptions(words: readonly string[]): Promise<readonly string[]> {
  const known = optionsIn(await ashlar(words[0]!, '--help'));
  return words.filter((word) => word.startsWith('--') && !known.has(word));
}

test('the image copies what is there and starts the command with options that it has', async (t) => {
  const file = await deployed('container/Containerfile');
  const copied = [...file.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, paths]) => paths!.split(' '));
  t.true(copied.length > 3);
  for (const path of copied) t.true(existsSync(join(root, path)), path);
  const [, program] = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(file)![1]!) as string[];
  t.true(existsSync(join(root, program!.replace('/opt/ashlar/', ''))));
  t.deepEqual(await checkOptions(JSON.parse(/^CMD (.*)$/m.exec(file)![1]!) as string[]), []);
});

test('the image offers the ports that a server has by default', async (t) => {
  const { config } = loadConfig({ file: '/dev/null', environment: {} });
  const ports = /^EXPOSE (.*)$/m.exec(await deployed('container/Containerfile'))![1]!;
  t.is(ports, `${config.nbd.port} ${config.admin.port}`);
});

test('the compose file starts the command with options and variables that it has', async (t) => {
  const file = await deployed('container/compose.yaml');
  const command = /^ +command: \[(.*)\]$/m
    .exec(file)![1]!
    .split(', ')
    .map((word) => word.replaceAll("'", ''));
  t.deepEqual(await checkOptions(command), []);
  const variables = [...file.matchAll(/^ +(ASHLAR_\w+): '(.*)'$/gm)].map(([, name, value]) => [name!, value!] as const);
  t.is(variables.length, 4);
  const { config } = loadConfig({ file: '/dev/null', environment: Object.fromEntries(variables) });
  t.deepEqual(config.listen, ['0.0.0.0']);
  t.is(config.admin.listen, '0.0.0.0');
});
