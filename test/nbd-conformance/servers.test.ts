import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { testWithTools } from '@ashlar/testing';
import test from 'ava';
import { ashlar, memoryPeers, type Server } from '../../bench/peers.ts';
import { conformance, failed, type CheckResult } from './run.ts';
import { rowsOf, tableOf, versions, type Column } from './table.ts';

const sizeBytes = 128 * 2 ** 20;
const expectedPath = fileURLToPath(new URL('./expected.json', import.meta.url));
const pagePath = fileURLToPath(new URL('../../docs/nbd-conformance.md', import.meta.url));

/** ASHLAR_WRITE=1 writes down what was found, and the page. */
const writes = process.env['ASHLAR_WRITE'] === '1';

/** What each server is known to fail, by its name. */
type Expected = Readonly<Record<string, readonly string[]>>;

const columns: Column[] = [];

/** Runs the suite on a server of its own, and goes on with a new one where a check ended the server. */
async function checked(server: Server, options: readonly string[]): Promise<CheckResult[]> {
  const directory = await mkdtemp(join(tmpdir(), 'ashlar-conformance-'));
  try {
    const running = await server.start({ directory, sizeBytes });
    let results: CheckResult[];
    try {
      results = await conformance(running.uri, ...options);
    } finally {
      await running.stop();
    }
    const gone = results.findIndex(({ detail }) => detail?.startsWith('the server is gone since') === true);
    if (gone < 0) return results;
    const rest = await checked(server, ['--after', results[gone - 1]!.id]);
    return [...results.slice(0, gone), ...rest];
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** What becomes of requests when a client leaves depends, with the peers, on the moment. */
const unsteady = (id: string): boolean => id.startsWith('disconnect.');

/** What a peer fails only now and then is not held against it: what failed is tried once more. */
async function twice(server: Server): Promise<Column> {
  const results = await checked(server, []);
  const again = failed(results).flatMap((id) => ['--filter', id]);
  const second = again.length === 0 ? [] : await checked(server, again);
  const passed = new Map(second.filter(({ result }) => result !== 'fail').map((one) => [one.id, one]));
  const steady = (one: CheckResult): CheckResult =>
    one.result === 'fail' && unsteady(one.id) ? { ...one, result: 'note' } : one;
  return { name: server.name, results: results.map((one) => steady(passed.get(one.id) ?? one)) };
}

async function expected(): Promise<Expected> {
  return JSON.parse(await readFile(expectedPath, 'utf8')) as Expected;
}

test.serial('Ashlar passes every check that applies to it', async (t) => {
  const found = { name: ashlar.name, results: await checked(ashlar, []) };
  columns.push(found);
  t.deepEqual(failed(found.results), []);
  const skipped = found.results.filter(({ result }) => result === 'skip');
  t.true(found.results.length - skipped.length > 200, 'and they are most of them');
  t.true(
    skipped.every(({ detail }) => detail !== undefined && detail !== ''),
    'each that is skipped says why',
  );
});

for (const server of memoryPeers) {
  testWithTools(test.serial as typeof test, server.tool)(
    `${server.name} passes and fails what the page says`,
    async (t) => {
      const found = await twice(server);
      if (writes) {
        columns.push(found);
        t.pass();
        return;
      }
      const known = (await expected())[server.name] ?? [];
      const more = failed(found.results).filter((id) => !known.includes(id));
      // On a machine that is busy a peer may be too late for more of them; they say nothing of the suite.
      if (more.length > 0) t.log(`failed beside what is known: ${more.join(', ')}`);
      const note = (one: CheckResult): CheckResult => (more.includes(one.id) ? { ...one, result: 'note' } : one);
      columns.push({ name: server.name, results: found.results.map(note) });
      t.deepEqual(
        failed(found.results).filter((id) => known.includes(id)),
        known,
      );
    },
  );
}

test.serial('the page in docs/ is what was found', async (t) => {
  if (columns.length <= memoryPeers.length) {
    t.log('not every server is installed here');
    t.pass();
    return;
  }
  const page = tableOf(columns, await versions());
  if (writes) {
    const known = Object.fromEntries(columns.map(({ name, results }) => [name, failed(results)]));
    await writeFile(expectedPath, `${JSON.stringify(known, undefined, 2)}\n`);
    await writeFile(pagePath, page);
  }
  t.deepEqual(rowsOf(page), rowsOf(await readFile(pagePath, 'utf8')));
});
