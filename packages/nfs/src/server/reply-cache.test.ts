import test from 'ava';
import { checksumOf, ReplyCache, type CallKey } from './reply-cache.ts';

const key: CallKey = { client: '10.0.0.1', xid: 5, procedure: 8, checksum: checksumOf(Buffer.from('arguments')) };

test('a call that comes again gets the answer that it had, and while it is being answered the one that it gets', async (t) => {
  const cache = new ReplyCache();
  const first = cache.find(key);
  if (first.kind !== 'new') return t.fail();
  const again = cache.find(key);
  if (again.kind !== 'running') return t.fail();
  cache.answered(first.kept, Buffer.from('results'));
  t.deepEqual(await again.results, Buffer.from('results'));
  t.deepEqual(cache.find(key), { kind: 'answered', results: Buffer.from('results') });
});

test('another client, number, procedure or other arguments are another call', (t) => {
  const cache = new ReplyCache();
  cache.find(key);
  for (const other of [{ client: '10.0.0.2' }, { xid: 6 }, { procedure: 9 }, { checksum: 1 }]) {
    t.is(cache.find({ ...key, ...other }).kind, 'new');
  }
});

test('a call that was not answered may come again', async (t) => {
  const cache = new ReplyCache();
  cache.find(key);
  const again = cache.find(key);
  if (again.kind !== 'running') return t.fail();
  cache.forget(key);
  t.is(await again.results, undefined);
  t.is(cache.find(key).kind, 'new');
});

test('arguments are told apart by their length and their beginning', (t) => {
  t.not(checksumOf(Buffer.from('a')), checksumOf(Buffer.from('b')));
  t.not(checksumOf(Buffer.alloc(300)), checksumOf(Buffer.alloc(304)));
});
