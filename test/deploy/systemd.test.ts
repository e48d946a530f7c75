import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { testWithTools } from '@ashlar/testing';
import { loadConfig } from '@ashlar/server';
import test from 'ava';
import { ashlar, deployed, optionsIn, root } from './ashlar.ts';

const testSystemd = testWithTools(test, 'systemd-analyze');

const commandOf = (unit: string): readonly string[] => /^ExecStart=(.*)$/m.exec(unit)![1]!.split(' ');

testSystemd('systemd finds no fault in the units', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'ashlar-units-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const service = (await deployed('systemd/ashlar.service')).replaceAll('/opt/ashlar/', root);
  await writeFile(join(folder, 'ashlar.service'), service);
  await writeFile(join(folder, 'ashlar.socket'), await deployed('systemd/ashlar.socket'));
  const units = ['ashlar.service', 'ashlar.socket'].map((name) => join(folder, name));
  const { stdout, stderr } = await promisify(execFile)('systemd-analyze', ['verify', '--man=no', ...units]);
  const about = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('ashlar'));
  t.deepEqual(about, []);
});

test('the service starts the command with options that it has', async (t) => {
  const [node, script, verb, ...options] = commandOf(await deployed('systemd/ashlar.service'));
  t.is(node, '/opt/ashlar/node_modules/.bin/node');
  t.is(script, '/opt/ashlar/packages/cli/bin/ashlar.js');
  const known = optionsIn(await ashlar(verb!, '--help'));
  for (const option of options.filter((word) => word.startsWith('--'))) t.true(known.has(option), option);
});

test('the configuration that is installed has no fault and keeps the pool where the unit allows it', async (t) => {
  const { config } = loadConfig({ file: join(root, 'deploy/systemd/ashlar.toml'), environment: {} });
  const unit = await deployed('systemd/ashlar.service');
  t.is(config.data, `/var/lib/${/^StateDirectory=(\w+)$/m.exec(unit)![1]}`);
  t.is(commandOf(unit).at(-1), config.data);
});

test('the socket is the port that a server has by default', async (t) => {
  const { config } = loadConfig({ file: '/dev/null', environment: {} });
  t.regex(
    await deployed('systemd/ashlar.socket'),
    new RegExp(`^ListenStream=127\\.0\\.0\\.1:${config.nbd.port}$`, 'm'),
  );
});
