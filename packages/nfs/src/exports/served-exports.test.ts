import { AshlarError, type FileTree } from '@ashlar/core';
import test from 'ava';
import { parseExports } from './parse-exports.ts';
import { ServedExports, type ExportedTree } from './served-exports.ts';

const paths = ['/srv', '/srv/shared', '/other'];

/** Lines of the form of /etc/exports, each of another tree. */
const exported = (text: string): ExportedTree[] =>
  parseExports(text).map(({ clients, path }) => {
    const at = paths.indexOf(path);
    return { path, clients, fileSystem: BigInt(at), tree: { root: Buffer.of(at) } as unknown as FileTree };
  });

const none: readonly string[] = [];

function served(text: string, names: Record<string, readonly string[] | undefined> = {}): ServedExports {
  const exports = new ServedExports((address) => (address in names ? names[address] : none));
  exports.replace(exported(text));
  return exports;
}

const peer = (address: string, port = 700) => ({ address, port });
const kindOf = (run: () => unknown): string | undefined => {
  try {
    run();
    return undefined;
  } catch (error) {
    return error instanceof AshlarError ? error.kind : 'another error';
  }
};

test('a path is mounted from the export that is nearest to it', (t) => {
  const exports = served('/srv *(rw)\n/srv/shared *(ro)');
  const found = exports.mount('/srv/a/b', peer('10.0.0.1'));
  t.is(found.exported.path, '/srv');
  t.deepEqual(found.below, ['a', 'b']);
  t.is(exports.mount('//srv/./shared/', peer('10.0.0.1')).exported.readOnly, true);
  t.deepEqual(exports.mount('/srv', peer('10.0.0.1')).below, []);
  t.is(
    kindOf(() => exports.mount('/srvs', peer('10.0.0.1'))),
    'not-found',
  );
  t.is(
    kindOf(() => exports.mount('/srv/../other', peer('10.0.0.1'))),
    'invalid',
  );
});

test('who may not is denied, by address and by port, and rules are those of the client', (t) => {
  const exports = served('/srv 10.0.0.0/8(rw,async) vm.example(ro,insecure,all_squash,no_acl)', {
    '11.0.0.1': ['vm.example'],
  });
  t.is(exports.mount('/srv', peer('10.1.1.1')).exported.sync, false);
  t.is(exports.mount('/srv', peer('::ffff:10.1.1.1')).exported.readOnly, false);
  t.is(
    kindOf(() => exports.mount('/srv', peer('10.1.1.1', 5000))),
    'denied',
  );
  const named = exports.find(0n, peer('11.0.0.1', 5000));
  t.deepEqual([named.readOnly, named.squash.who, named.acls], [true, 'all', false]);
  t.true(exports.find(0n, peer('10.1.1.1')).acls);
  t.is(
    kindOf(() => exports.find(0n, peer('12.0.0.1'))),
    'denied',
  );
  t.is(
    kindOf(() => served('/srv *').mount('/srv', peer('127.0.0.1', 50_000))),
    undefined,
  );
});

test('who comes before its names are known is to come again, and rules are those of the names that it has now', (t) => {
  const names: Record<string, readonly string[] | undefined> = { '10.0.0.1': undefined, '10.0.0.2': undefined };
  const exports = served('/srv vm?(rw) 10.0.0.2(ro) *(ro)\n/other *', names);
  t.true(exports.areByName);
  t.is(
    kindOf(() => exports.find(0n, peer('10.0.0.1'))),
    'try-later',
  );
  t.is(
    kindOf(() => exports.find(0n, peer('10.0.0.2'))),
    undefined,
  );
  t.is(
    kindOf(() => exports.find(2n, peer('10.0.0.1'))),
    undefined,
  );
  names['10.0.0.1'] = ['vm1'];
  t.false(exports.find(0n, peer('10.0.0.1')).readOnly);
  names['10.0.0.1'] = ['other'];
  t.true(exports.find(0n, peer('10.0.0.1')).readOnly);
  exports.replace(exported('/srv host1 vm*'));
  t.deepEqual(exports.hosts, ['host1']);
});

test('exports are replaced, and handles of those that stay are theirs', (t) => {
  const exports = served('/srv *(rw)\n/other *');
  exports.replace(exported('/srv 10.0.0.1(ro)'));
  t.is(exports.find(0n, peer('10.0.0.1')).readOnly, true);
  t.is(
    kindOf(() => exports.find(2n, peer('10.0.0.1'))),
    'stale',
  );
  t.deepEqual(exports.list(), [{ path: '/srv', clients: ['10.0.0.1'] }]);
});

test('snapshots are found below the root, each a file system of its own, with the rules of the tree', (t) => {
  const [tree] = exported('/srv 10.0.0.1(rw,insecure)');
  const then = { root: Buffer.of(9) } as unknown as FileTree;
  const exports = new ServedExports();
  const taken = { seconds: 1, nanoseconds: 0 };
  const snapshots = { fileSystem: 50n, all: [{ name: 'monday', taken, fileSystem: 51n, tree: then }] };
  exports.replace([{ ...tree!, snapshots }]);
  const own = exports.find(0n, peer('10.0.0.1'));
  t.false(own.readOnly);
  const list = own.cross!(tree!.tree.root, Buffer.from('.snapshot'))!;
  t.is(list.fileSystem, 50n);
  t.is(own.cross!(Buffer.of(77), Buffer.from('.snapshot')), undefined);
  t.is(own.cross!(tree!.tree.root, Buffer.from('other')), undefined);
  const monday = list.cross!(list.tree.root, Buffer.from('monday'))!;
  t.like(monday, { fileSystem: 51n, readOnly: true, tree: then });
  t.is(exports.find(51n, peer('10.0.0.1')), monday);
  t.is(
    kindOf(() => exports.find(51n, peer('10.0.0.2'))),
    'denied',
  );
  t.is(list.cross!(list.tree.root, Buffer.from('sunday')), undefined);
});
