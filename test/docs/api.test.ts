import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, loadConfig, Server } from '@ashlar/server';
import test from 'ava';

const page = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8');

test('docs/api.md has every operation and every metric of a running server, and no other', async (t) => {
  const data = mkdtempSync(join(tmpdir(), 'ashlar-docs-'));
  t.teardown(() => rmSync(data, { recursive: true, force: true }));
  const overrides = { data, 'nbd.port': 0, 'admin.port': 0, 'log.level': 'silent', 'store.journalSize': '32M' };
  const loaded = loadConfig({ file: '/dev/null', environment: {}, overrides });
  const volumes = [{ name: 'demo', sizeBytes: 2 ** 20 }];
  const server = await Server.start({
    loaded,
    reload: () => loaded,
    volumes,
    logger: createLogger('silent'),
    passed: [],
    onDeath: (error) => t.fail(error.message),
  });
  t.teardown(() => server.stop());
  const headers = { authorization: `Bearer ${server.token}` };
  const document = (await (await fetch(`${server.addresses.admin}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, unknown>>;
  };
  const served = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const written = [...page.matchAll(/^\| `((?:GET|POST|PATCH|DELETE) [^`]+)`/gm)].map(([, operation]) => operation);
  t.deepEqual(written.toSorted(), served.toSorted());
  const text = await (await fetch(`${server.addresses.admin}/metrics`, { headers })).text();
  const metrics = [...text.matchAll(/^# TYPE (ashlar_\w+) /gm)].map(([, name]) => name);
  t.deepEqual(
    [...new Set([...page.matchAll(/`(ashlar_\w+)`/g)].map(([, name]) => name))].toSorted(),
    metrics.toSorted(),
  );
});
