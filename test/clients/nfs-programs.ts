import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { boot, guestTools, makeInitramfs, working } from './guest.ts';
import { directory, serve } from './served.ts';

const used = ['mount', 'umount', 'mount.nfs', 'tar', 'git', 'sqlite3'];
const modules = ['virtio_pci', 'virtio_net', 'nfsv3'];
const network = '-netdev user,id=net -device virtio-net-pci,netdev=net,romfile=';

const begin = (mount: string): string => `
  set -x
  exec 2>&1
  ip address add 10.0.2.15/24 dev eth0
  ip link set eth0 up
  mkdir -p /sbin /mnt/home /tmp /usr/lib/git-core
  ln -s /bin/mount.nfs /sbin/mount.nfs
  for name in git git-upload-pack git-receive-pack; do ln -s /bin/git /usr/lib/git-core/$name; done
  again() { cd /; umount /mnt/home; echo 3 > /proc/sys/vm/drop_caches; ${mount}; cd /mnt/home; }
  ${mount}
  cd /mnt/home
`;

/** The shell's own tar compares nothing. */
const manyFiles = `
  mkdir /tmp/many
  n=0
  while [ $n -lt 100 ]; do mkdir /tmp/many/$n; m=0; while [ $m -lt 100 ]; do echo $n-$m > /tmp/many/$n/$m; m=$((m+1)); done; n=$((n+1)); done
  /bin/tar -c -f /tmp/many.tar -C /tmp many
  /bin/tar -x -f /tmp/many.tar
  again
  [ "$(find many -type f | wc -l)" = 10000 ]
  /bin/tar -d -f /tmp/many.tar
  rm -rf many
  [ ! -e many ]
`;

const repository = `
  export PATH=/bin:/usr/lib/git-core HOME=/tmp GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b GIT_CONFIG_NOSYSTEM=1
  mkdir /tmp/source
  (cd /tmp/source && git init -q && cp -r /modules . && git add . && git commit -q -m one && cp /init . && git add . && git commit -q -m two)
  git clone -q /tmp/source copied
  again
  git -C copied fsck --full --strict
  git clone -q --no-local --bare copied bare.git
  git -C bare.git fsck --full --strict
  echo more > copied/more
  git -C copied add .
  git -C copied commit -q -m three
  git -C copied gc -q
  git -C copied push -q ../bare.git HEAD:refs/heads/other
  again
  git -C bare.git fsck --full --strict
  git -C copied status --porcelain > /tmp/status
  [ ! -s /tmp/status ]
  [ "$(git -C bare.git show other:more)" = more ]
`;

const database = `
  sqlite3 test.db 'create table data (line integer primary key, text blob)'
  [ "$(sqlite3 test.db 'pragma journal_mode')" = delete ]
  line=0
  while [ $line -lt 30 ]; do sqlite3 test.db "begin; insert into data select $line * 100 + value, randomblob(200) from generate_series(1, 100); commit"; line=$((line+1)); done
  sqlite3 test.db 'begin; delete from data; rollback'
  sqlite3 test.db 'delete from data where line % 3 = 0; vacuum'
  again
  [ "$(sqlite3 test.db 'pragma integrity_check')" = ok ]
  [ "$(sqlite3 test.db 'select count(*) from data')" = 2000 ]
  sqlite3 test.db 'pragma journal_mode = truncate; insert into data values (9999, 1)'
  [ "$(sqlite3 test.db 'pragma integrity_check')" = ok ]
`;

/** What is open stays: the client gives it another name until it is closed. */
const openFiles = `
  echo old > open
  echo new > other
  exec 7< open
  mv other open
  [ "$(cat open)" = new ]
  [ "$(cat <&7)" = old ]
  ls -a | grep '^\\.nfs'
  exec 7<&-
  ! ls -a | grep '^\\.nfs'
  exec 8> gone
  rm gone
  echo kept >&8
  [ ! -e gone ]
  exec 8>&-
`;

/** What they need. */
export const programTools: readonly string[] = [...guestTools, ...used];

/** What a guest does, by what it has then. */
export const programWork: Readonly<Record<string, string>> = {
  'ten thousand files by tar': manyFiles,
  'git repositories': repository,
  'sqlite databases': database,
  'open files that are removed': openFiles,
};

/** A guest does it on a file volume as on its own disk. */
export async function workInGuest(t: ExecutionContext, work: string): Promise<void> {
  t.timeout(1_300_000);
  const cwd = directory(t);
  const { mount } = await serve(t, join(cwd, 'data'), '64M', '--volume', 'home:4G:file');
  // Behind QEMU's user network the host's loopback has another address.
  const line = mount!.replace('127.0.0.1:', '10.0.2.2:');
  await makeInitramfs(cwd, { init: working(begin(line) + work), programs: used, modules });
  const console = await boot(cwd, network, { processors: 1, timeoutMs: 1_200_000 });
  t.regex(console, /^GUEST OK/m, console);
}
