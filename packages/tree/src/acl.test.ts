import type { Acl, AclEntry } from '@ashlar/core';
import { failsWith } from '@ashlar/testing';
import test from 'ava';
import { checkedAcl, inheritedAcl, keptAcls, partedAcl, wholeAcl } from './acl.ts';

const entry = (tag: AclEntry['tag'], permissions: number, id = 0): AclEntry => ({ tag, id, permissions });
const minimal: Acl = [entry('owner', 6), entry('owning-group', 4), entry('others', 0)];
const long: Acl = [
  entry('owner', 7),
  entry('user', 6, 5),
  entry('user', 0, 1000),
  entry('owning-group', 5),
  entry('group', 7, 5),
  entry('mask', 6),
  entry('others', 1),
];

test('a list is put in its order, and is then what it was', (t) => {
  t.deepEqual(checkedAcl(minimal), minimal);
  t.deepEqual(checkedAcl(long.toReversed()), long);
});

test('what is no list is refused', async (t) => {
  for (const acl of [
    [],
    minimal.slice(1),
    minimal.slice(0, 2),
    [...minimal, entry('others', 1)],
    [...minimal, entry('user', 1, 5)],
    [...minimal, entry('group', 1, 5)],
    [...long, entry('user', 1, 5)],
    [...long, entry('mask', 1)],
    [...minimal, entry('mask', 8)],
    [...long, entry('user', 1, 0xffff_ffff)],
    [...long, entry('user', 1, -1)],
    [...minimal, entry('mask', 1, 7)],
    [...long, ...Array.from({ length: 1018 }, (_, at) => entry('user', 1, 2000 + at))],
  ]) {
    await failsWith(t, 'invalid', () => checkedAcl(acl));
  }
  t.is(checkedAcl([...long, ...Array.from({ length: 1017 }, (_, at) => entry('user', 1, 2000 + at))]).length, 1024);
});

test('the mode says what owner, mask and others have, and nothing else is kept of a short list', (t) => {
  t.deepEqual(partedAcl(minimal, 0o6777), { mode: 0o6640, access: [] });
  const parts = partedAcl(long, 0o4000);
  t.is(parts.mode, 0o4761);
  t.deepEqual(parts.access, [
    entry('user', 6, 5),
    entry('user', 0, 1000),
    entry('owning-group', 5),
    entry('group', 7, 5),
  ]);
  t.deepEqual(wholeAcl(parts), long);
  t.deepEqual(wholeAcl(partedAcl(minimal, 0)), minimal);
  const masked = [entry('owner', 7), entry('owning-group', 7), entry('mask', 1), entry('others', 0)];
  t.deepEqual(wholeAcl(partedAcl(masked, 0)), masked);
});

test('another mode is another mask', (t) => {
  const { access } = partedAcl(long, 0);
  t.deepEqual(
    wholeAcl({ access, mode: 0o640 }).filter(({ tag }) => tag === 'owner' || tag === 'mask' || tag === 'others'),
    [entry('owner', 6), entry('mask', 4), entry('others', 0)],
  );
});

test('what is inherited has no more than its maker asked for', (t) => {
  const made = inheritedAcl(long, 0o666);
  t.is(made.mode, 0o660);
  t.deepEqual(made.access, partedAcl(long, 0).access);
  t.deepEqual(inheritedAcl(minimal, 0o2777), { mode: 0o2640, access: [] });
  t.is(inheritedAcl(long, 0o700).mode, 0o700);
});

test('nothing is kept where there is nothing', (t) => {
  t.is(keptAcls([], []), undefined);
  t.deepEqual(keptAcls([], minimal), { access: [], inherited: minimal });
});
