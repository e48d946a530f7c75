import { join } from 'node:path';
import { boot, guestTools, makeInitramfs, working } from './guest.ts';
import { directory, serve, type Test } from './served.ts';

const used = ['mount', 'umount', 'mount.nfs', 'tar', 'git', 'sqlite3'];
const modules = ['virtio_pci', 'virtio_net', 'nfsv3'];
const network = '-netdev user,id=net -device virtio-net-pci,netdev=net,romfile=';

const begin = `
  ip address add 10.0.2.15/24 dev eth0
  ip link set eth0 up
  mkdir -p /sbin /tmp /usr/lib/git-core
  ln -s /bin/mount.nfs /sbin/mount.nfs
  for name in git git-upload-pack git-receive-pack; do ln -s /bin/git /usr/lib/git-core/$name; done
`;

/** Works on a file volume of its own, beside the others: what waits for a disk leaves the processor to them. What failed is shown. */
const beside = (name: string, mount: string, steps: string): string => `
  cat > /tmp/${name}.sh <<'END OF ${name}'
  again() { cd /; umount /mnt/${name}; echo 3 > /proc/sys/vm/drop_caches; ${mount}; cd /mnt/${name}; }
  mkdir -p /mnt/${name}
  ${mount}
  cd /mnt/${name}
  ${steps}
END OF ${name}
  (sh -ex /tmp/${name}.sh > /tmp/${name}.log 2>&1 && echo "DID ${name} $(cut -d . -f 1 /proc/uptime) s" || { cat /tmp/${name}.log; echo 'FAILED ${name}'; }) &
`;

/** The shell's own tar compares nothing. Many at once, so that syncs of the disk are not waited for one behind the other. */
const manyFiles = `
  set +x
  parts=$(seq 20)
  for part in $parts; do
    for n in 1 2 3 4 5; do
      mkdir -p /tmp/many/$part/$n
      m=0; while [ $m -lt 100 ]; do echo $part-$n-$m > /tmp/many/$part/$n/$m; m=$((m+1)); done
    done
    /bin/tar -c -f /tmp/many$part.tar -C /tmp many/$part
  done
  set -x
  mkdir many
  for part in $parts; do /bin/tar -x -f /tmp/many$part.tar & done
  wait
  again
  [ "$(find many -type f | wc -l)" = 10000 ]
  for part in $parts; do /bin/tar -d -f /tmp/many$part.tar; done
  for part in $parts; do rm -rf many/$part & done
  wait
  rmdir many
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

/** What a guest has then, as on its own disk, and how; by the volume where it does it. */
export const programWork = {
  tar: { what: 'ten thousand files by tar', steps: manyFiles },
  git: { what: 'git repositories', steps: repository },
  sqlite: { what: 'sqlite databases', steps: database },
  open: { what: 'open files that are removed', steps: openFiles },
} as const;

/** The printed line of one file volume, for another one, in a guest: behind QEMU's user network the host's loopback has another address. */
const mountOf = (line: string, name: string): string =>
  line.replace('127.0.0.1:', '10.0.2.2:').replace(/:\/\S+ \S+$/, `:/${name} /mnt/${name}`);

/** A guest does all of it on file volumes, at once; gives what it wrote to its console. */
export async function workInGuest(t: Test): Promise<string> {
  const cwd = directory(t);
  const volumes = Object.keys(programWork).flatMap((name) => ['--volume', `${name}:4G:file`]);
  const { mount } = await serve(t, join(cwd, 'data'), '64M', ...volumes);
  const lines = Object.entries(programWork).map(([name, { steps }]) => beside(name, mountOf(mount!, name), steps));
  const init = working(`exec 2>&1\n${begin}${lines.join('')}wait`);
  await makeInitramfs(cwd, { init, programs: used, modules });
  return boot(cwd, network, { processors: 1, timeoutMs: 2_400_000 });
}
