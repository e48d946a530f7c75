import { mkdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { testAsRoot } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { Cleanup } from '../../bench/cleanup.ts';
import { ganesha } from '../../bench/nfs-peers.ts';
import { ashlar, directory, long, serve } from '../clients/served.ts';
import { rowsOf } from '../nbd-conformance/table.ts';
import { pageOf } from './page.ts';
import { conformance, conformanceInside, type CheckResult } from './run.ts';

test('Ashlar passes every check that applies to it', async (t) => {
  t.timeout(300_000);
  const { mount } = await serve(t, join(directory(t), 'data'), '1M', '--volume', 'home:1G:file');
  const [, port = ''] = /port=(\d+)/.exec(mount!) ?? [];
  const results = await conformance('127.0.0.1:/home', '--port', port);
  t.deepEqual(
    results.filter(({ result }) => result === 'fail').map(({ detail, id }) => `${id}: ${detail}`),
    [],
  );
  const applied = results.filter(({ result }) => result !== 'skip');
  t.true(applied.length > 190, `and they are most of them: ${applied.length} of ${results.length}`);
});

test('an export that hides access control lists has none to check', async (t) => {
  t.timeout(300_000);
  const data = join(directory(t), 'data');
  const { mount } = await serve(t, data, '1M', '--volume', 'home:1G:file');
  const [, port = ''] = /port=(\d+)/.exec(mount!) ?? [];
  await ashlar(data, 'export add quiet home --no-acl');
  t.regex(await ashlar(data, 'export show quiet'), /no_acl/);
  const results = await conformance('127.0.0.1:/quiet', '--port', port, '--filter', 'acl.');
  t.deepEqual(
    [...new Set(results.map(({ detail, result }) => `${result}: ${detail}`))],
    ['skip: the export has no access control lists'],
  );
});

const pagePath = fileURLToPath(new URL('../../docs/nfs-conformance.md', import.meta.url));

/** The peer sometimes closes its first connections: where it could not be checked at all, that is tried again and said. Ours is not. */
async function checkPeer(t: ExecutionContext, netns: string, server: string): Promise<CheckResult[]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await conformanceInside(netns, server);
    } catch (error) {
      const { message } = error as Error;
      if (attempt === 3 || !message.includes('cannot check the server')) throw error;
      t.log(`NFS-Ganesha is asked again: ${message.trim()}`);
      await sleep(2000);
    }
  }
}

// Of the peer some checks wait for answers that never come.
if (long) {
  testAsRoot(test, ...ganesha.tools)(
    'file volumes, directories and NFS-Ganesha pass and fail what the page says',
    async (t) => {
      t.timeout(1_800_000);
      const place = directory(t);
      const [data, shared] = [join(place, 'data'), join(place, 'shared')];
      mkdirSync(shared, { mode: 0o777 });
      const { mount } = await serve(t, data, '1M', '--volume', 'home:1G:file');
      const [, port = ''] = /port=(\d+)/.exec(mount!) ?? [];
      await ashlar(data, `export add shared dir://${shared} --over nfs`);
      const cleanup = new Cleanup();
      t.teardown(() => cleanup.run());
      const peer = await ganesha.start(join(place, 'peer'), cleanup);
      const columns = [
        { name: 'file volume', results: await conformance('127.0.0.1:/home', '--port', port) },
        { name: 'directory', results: await conformance('127.0.0.1:/shared', '--port', port) },
        { name: 'NFS-Ganesha', results: await checkPeer(t, peer.netns, `127.0.0.1:${peer.path}`) },
      ];
      const page = await pageOf(columns);
      // ASHLAR_WRITE=1 writes down what was found.
      if (process.env['ASHLAR_WRITE'] === '1') await writeFile(pagePath, page);
      t.deepEqual(rowsOf(page), rowsOf(await readFile(pagePath, 'utf8')));
    },
  );
}
