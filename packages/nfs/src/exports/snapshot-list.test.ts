import { AshlarError } from '@ashlar/core';
import test from 'ava';
import { SnapshotList } from './snapshot-list.ts';

const who = { uid: 0, gid: 0, gids: [] };
const list = new SnapshotList([
  { name: 'monday', taken: { seconds: 1, nanoseconds: 0 } },
  { name: 'tuesday', taken: { seconds: 2, nanoseconds: 0 } },
]);

test('snapshots are listed by their names, a few at a time', (t) => {
  const names: string[] = [];
  for (let cookie = 0n, isEnd = false; !isEnd;) {
    const page = list.list(list.root, cookie, 1, false, who);
    for (const entry of page.entries) {
      names.push(Buffer.from(entry.name).toString());
      cookie = entry.cookie;
    }
    ({ isEnd } = page);
  }
  t.deepEqual(names, ['.', '..', 'monday', 'tuesday']);
});

test('the list is a directory that nobody changes', (t) => {
  t.like(list.getAttributes(list.root), {
    type: 'directory',
    mode: 0o555,
    links: 4,
    changed: { seconds: 2, nanoseconds: 0 },
  });
  t.is(list.access(list.root, 0x3f).granted & 0x1c, 0);
  t.throws(() => list.remove(), { instanceOf: AshlarError, message: /made and removed by their server/ });
  t.throws(() => list.getAttributes(Buffer.of(2)), { instanceOf: AshlarError });
});
