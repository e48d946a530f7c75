import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import test from 'ava';

/** Inside the project, so that the command finds its packages; ignored by git and by every check. */
const scratch = fileURLToPath(new URL('../out', import.meta.url));
const { skip } = test;

/** A Node on PATH older than 24, as a fresh machine has it. */
function findOldNode(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/bin', '/usr/local/bin'];
  return folders.map((folder) => join(folder, 'node')).find(isOld);
}

function isOld(node: string): boolean {
  try {
    return Number.parseInt(execFileSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' }), 10) < 24;
  } catch {
    return false;
  }
}

const oldNode = findOldNode();
const testOnOldNode = oldNode === undefined ? skip : test;

const main = `
process.on('SIGTERM', () => process.exit(3));
console.log(process.versions.node.split('.')[0], JSON.stringify(process.argv.slice(2)));
if (process.argv[2] === 'exit') process.exit(7);
setInterval(() => {}, 1000);
if (process.argv[2] === 'die') process.kill(process.pid, 'SIGKILL');
`;

/** Starts a command of ours on the old Node, and answers with what it printed and how it ended. */
async function start(signal: NodeJS.Signals | undefined, ...options: string[]) {
  await mkdir(scratch, { recursive: true });
  const folder = await mkdtemp(join(scratch, 'handover-'));
  try {
    await writeFile(join(folder, 'main.mjs'), main);
    const command =
      "import { runOnNode24 } from '@ashlar/core/node24';\nawait runOnNode24(import.meta.url, './main.mjs');";
    await writeFile(join(folder, 'command.mjs'), command);
    const child = spawn(oldNode!, [join(folder, 'command.mjs'), ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
    if (signal !== undefined) child.stdout.once('data', () => child.kill(signal));
    const [output, [code, endedBy]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    return { output: output.trim(), code, endedBy };
  } finally {
    await rm(folder, { recursive: true });
  }
}

testOnOldNode(
  'a command that an older Node starts runs on the bundled one, with its arguments and exit status',
  async (t) => {
    t.deepEqual(await start(undefined, 'exit', 'a b'), { output: '24 ["exit","a b"]', code: 7, endedBy: null });
  },
);

testOnOldNode('a signal to the older Node reaches the bundled one', async (t) => {
  t.deepEqual(await start('SIGTERM', 'wait'), { output: '24 ["wait"]', code: 3, endedBy: null });
});

testOnOldNode('when the bundled Node dies by a signal the older one does too', async (t) => {
  t.deepEqual(await start(undefined, 'die'), { output: '24 ["die"]', code: null, endedBy: 'SIGKILL' });
});
