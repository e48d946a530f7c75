import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import test from 'ava';
import { groupsOfUser } from './groups.ts';

test('the groups of each user are those that id(1) says', async (t) => {
  const users = readFileSync('/etc/passwd', 'utf8').trim().split('\n').slice(0, 8);
  for (const line of users) {
    const [name = '', , uid] = line.split(':');
    const said = execFileSync('id', ['-G', name], { encoding: 'utf8' });
    const groups = (await groupsOfUser(Number(uid))) ?? [];
    t.deepEqual(
      groups.toSorted((a, b) => a - b),
      said
        .trim()
        .split(' ')
        .map(Number)
        .toSorted((a, b) => a - b),
      name,
    );
  }
});

test('a user who is not there has none', async (t) => {
  t.is(await groupsOfUser(3_999_999_999), undefined);
});
