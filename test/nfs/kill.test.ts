import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { testAsRoot } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { directory, long } from '../clients/served.ts';
import { KilledServer } from './hard-client.ts';
import { Writer } from './kept-files.ts';

/** Of a file volume, and as many of a directory. */
const writers = 3;

/** A server that offers the file volume `home` and a directory, the path of which it gives. */
function serverOf(t: ExecutionContext, runner: readonly string[]): { server: KilledServer; shared: string } {
  const place = directory(t);
  const shared = join(place, 'shared');
  mkdirSync(shared);
  writeFileSync(join(place, 'exports'), `${shared} *(rw,insecure,no_root_squash)\n`);
  writeFileSync(join(place, 'ashlar.toml'), '[nfs]\nexports = "exports"\n');
  const options = ['--config', join(place, 'ashlar.toml'), '--volume', 'home:2G:file'];
  return { server: new KilledServer(t, { place, runner, options }), shared };
}

/** Kills the server while all are in the middle of something. Gives the verifiers of writes that each process of it had. */
async function killAgain(server: KilledServer, kills: number, all: readonly Writer[]): Promise<string[]> {
  const verifiersOf = async (): Promise<string> =>
    (await Promise.all([all[0]!, all.at(-1)!].map((each) => each.verifier()))).join();
  const verifiers = [await verifiersOf()];
  for (let kill = 0; kill < kills; kill += 1) {
    const least = all.map(({ operations }) => operations + 6);
    await sleep(100 + 37 * (kill % 12));
    // However slow the machine is, each did something.
    while (all.some(({ operations }, at) => operations < least[at]!)) await sleep(50);
    await server.kill();
    await server.start();
    verifiers.push(await verifiersOf());
  }
  return verifiers;
}

async function losesNothing(t: ExecutionContext, kills: number, runner: readonly string[]): Promise<void> {
  t.timeout(3_600_000);
  const { server, shared } = serverOf(t, runner);
  await server.start();
  const numbers = Array.from({ length: writers }, (_, index) => index + 1);
  const ofVolume = numbers.map((number) => new Writer(server, number, 'first-answer'));
  const ofDirectory = numbers.map((number) => new Writer(server, writers + number, 'done-again'));
  for (const [index, writer] of ofVolume.entries()) await writer.open('/home', `writer${index}`);
  for (const [index, writer] of ofDirectory.entries()) await writer.open(shared, `writer${index}`);
  const all = [...ofVolume, ...ofDirectory];
  let isOver = false;
  const working = all.map(async (writer) => {
    while (!isOver) await writer.step();
  });
  const verifiers = await killAgain(server, kills, all);
  await sleep(300);
  isOver = true;
  await Promise.all(working);
  for (const writer of all) {
    await writer.check();
    t.deepEqual(writer.faults, []);
    t.true(writer.operations > kills * 5, `${writer.operations} operations`);
  }
  const each = verifiers.flatMap((both) => both.split(','));
  t.is(new Set(each).size, 2 * (kills + 1), 'each process has verifiers of its own');
  t.log(`${ofDirectory.reduce((sum, { again }) => sum + again, 0)} changes of the directory were done again`);
}

const what = 'a server that is killed again and again loses nothing that it answered of file volumes and directories';

testAsRoot(test)(`${what}, with handles of the kernel`, (t) => losesNothing(t, long ? 60 : 2, []));

const withoutKernelHandles = ['setpriv', '--bounding-set', '-dac_read_search'];

test(`${what}, with handles on record`, (t) =>
  losesNothing(t, long ? 40 : 1, process.geteuid?.() === 0 ? withoutKernelHandles : []));
