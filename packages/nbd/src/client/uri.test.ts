import { AshlarError } from '@ashlar/core';
import test from 'ava';
import { parseNbdUri } from './uri.ts';

test('a host, a port and an export are read from a URI, with the usual port by default', (t) => {
  t.deepEqual(parseNbdUri('nbd://store:10000/disk%20one'), {
    tls: false,
    exportName: 'disk one',
    user: undefined,
    at: { host: 'store', port: 10000 },
  });
  t.deepEqual(parseNbdUri('nbds://alice@[::1]').at, { host: '::1', port: 10809 });
});

test('a Unix socket is read from the query, and its absence is said', (t) => {
  t.deepEqual(parseNbdUri('nbd+unix:///disk?socket=/run/nbd.sock'), {
    tls: false,
    exportName: 'disk',
    user: undefined,
    at: { path: '/run/nbd.sock' },
  });
  const error = t.throws(() => parseNbdUri('nbd+unix:///disk'), { instanceOf: AshlarError });
  t.regex(error?.message ?? '', /socket=PATH/);
});

test('what is no NBD URI is refused with one that is', (t) => {
  for (const text of ['', 'disk', 'http://host/', 'nbd:host']) {
    t.is(t.throws(() => parseNbdUri(text), { instanceOf: AshlarError })?.kind, 'invalid');
  }
});
