import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { status } from '@ashlar/nfs';
import test from 'ava';
import { directory, root, shell } from '../clients/served.ts';

const script = fileURLToPath(new URL('./exports-served.ts', import.meta.url));

/** What only root may do an ordinary user does in a name space of its own. */
const asRoot = process.getuid?.() === 0 ? '' : '--map-root-user';

type Seen = {
  readonly managed: number;
  readonly unmanaged: number;
  readonly secure: readonly number[];
  readonly insecure: readonly number[];
  readonly names: Readonly<Record<string, number>>;
  readonly refused: string;
  readonly shows: Readonly<Record<string, string>>;
};

let seen: Promise<Seen> | undefined;

/** What is seen in a network and with users of its own, all of one server. */
function see(t: Parameters<typeof directory>[0]): Promise<Seen> {
  if (seen !== undefined) return seen;
  const place = directory(t);
  const groups = Array.from({ length: 40 }, (_, at) => `g${5001 + at}:x:${5001 + at}:many`).join('\n');
  const files = {
    hosts: '127.0.0.1 localhost\n10.99.0.1 vm7.example vm7\n',
    passwd: `${readFileSync('/etc/passwd', 'utf8')}many:x:5000:5000::/:/bin/false\n`,
    group: `${readFileSync('/etc/group', 'utf8')}many:x:5000:\n${groups}\n`,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(place, name), text);
  return (seen = shell(
    `unshare ${asRoot} --net --mount sh -e -c '
      ip link set lo up
      ip address add 10.99.0.1/32 dev lo
      for file in hosts passwd group; do mount --bind $0/$file /etc/$file; done
      exec "$1" --import @ashlar/core/with-sources "$2" "$0"' ${place} ${process.execPath} ${script}`,
    { cwd: root },
  ).then((out) => JSON.parse(out) as Seen));
}

test.serial('a client by its name is one whose address the name leads to', async (t) => {
  const { names } = await see(t);
  t.deepEqual(names, { host: status.ok, alias: status.ok, wildcard: status.ok, other: status.access });
});

test.serial('secure refuses ports from 1024 on, and insecure takes them', async (t) => {
  const { insecure, secure } = await see(t);
  t.deepEqual(secure, [status.access, status.ok]);
  t.deepEqual(insecure, [status.ok, status.ok]);
});

test.serial(
  'with manage-gids a user has the groups that the server knows, and without those of the call',
  async (t) => {
    const { managed, unmanaged } = await see(t);
    t.deepEqual([managed, unmanaged], [status.ok, status.access]);
  },
);

test.serial('a netgroup is refused with its line, and what held holds', async (t) => {
  t.regex((await see(t)).refused, /exports \(nfs.exports\): line 1 of the exports: '@1' is a netgroup/);
});

test.serial('showmount lists what is exported to whom, who mounted it, and what is mounted', async (t) => {
  const { shows } = await see(t);
  t.deepEqual(shows, {
    exports: '/home 10.0.0.0/8,vm7.example,*',
    all: '10.99.0.1:/home',
    directories: '/home',
  });
});
