import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { bootPair, bridgeTools, makeBridge, makeBridgeGuest, serveOnBridge } from './nfs-pair.ts';
import { directory, shell } from './served.ts';

/** What they need. */
export const directoryGuestTools = [...bridgeTools, 'fio', 'perl', 'tar', 'sha256sum'];

/** Names, bytes, attributes and other users, as a guest's own file system has them. */
const files = `
  echo hello > a
  mv a b
  [ ! -e a ]
  [ "$(cat b)" = hello ]
  ln b c
  [ "$(stat -c %h b)" = 2 ]
  ln -s b s
  [ "$(cat s)" = hello ]
  mkdir d
  echo other > e
  mv b d
  mv e d/b
  [ "$(cat d/b)" = other ]
  refused rmdir d
  mkfifo p
  touch 'ä ö'
  [ "$(echo ä*)" = 'ä ö' ]
  truncate -s 1099511627776 big
  printf end | dd of=big bs=1 seek=1099511627773 conv=notrunc 2>/dev/null
  [ "$(stat -c %s big)" = 1099511627776 ]
  [ "$(stat -c %b big)" -lt 100 ]
  echo one > log
  echo two >> log
  perl -e 'sysopen(F, "log", 1025) or die; syswrite(F, "three\\n") or die' # O_WRONLY and O_APPEND
  [ "$(tr '\\n' ' ' < log)" = 'one two three ' ]
  perl -e 'sysopen(F, "x", 193) or die; sysopen(G, "x", 193) and die; exit 0' # O_CREAT, O_EXCL and O_WRONLY
  exec 7< log
  rm log
  [ "$(head -1 <&7)" = one ]
  exec 7<&-
  fio --name=m --ioengine=mmap --rw=randwrite --bs=4k --size=4M --verify=crc32c --filename=/mnt/home/mapped >/dev/null
  fio --name=d --ioengine=sync --direct=1 --rw=randwrite --bs=16k --size=4M --verify=crc32c --filename=/mnt/home/direct >/dev/null

  echo secret > kept
  chmod 640 kept
  chown 1000:100 kept
  refused as 3000 3000 cat kept
  refused as 3000 3000 sh -c 'echo more >> kept'
  [ "$(as 3000 100 cat kept)" = secret ]
  refused as 3000 100 sh -c 'echo more >> kept'
  as 1000 1000 sh -c 'echo more >> kept'
  refused as 3000 3000 touch d/theirs
  mkdir -m 1777 open
  as 2000 2000 sh -c 'echo mine > open/file'
  [ "$(stat -c %u:%g open/file)" = 2000:2000 ]
  refused as 3000 3000 rm -f open/file
  refused as 3000 3000 chmod 777 open/file
`;

/** Some hundred files by tar, found again behind another mount. */
const many = `
  mkdir /tmp/many
  n=0
  while [ $n -lt 20 ]; do mkdir /tmp/many/$n; m=0; while [ $m -lt 20 ]; do echo $n-$m > /tmp/many/$n/$m; m=$((m+1)); done; n=$((n+1)); done
  /bin/tar -c -f /tmp/many.tar -C /tmp many
  /bin/tar -x -f /tmp/many.tar
  cd /
  umount /mnt/home
  echo 3 > /proc/sys/vm/drop_caches
  $mounting
  cd /mnt/home
  [ "$(find many -type f | wc -l)" = 400 ]
  /bin/tar -d -f /tmp/many.tar
  rm -r many/1 many/2
  [ "$(find many -type f | wc -l)" = 360 ]
  (cd many && find . -type f | sort | xargs sha256sum) > sums
`;

/** The first works; the second locks against it. Both see what the machine itself writes. */
const steps = (path: string): string => `
  set -x
  mounting='mount -t nfs -o vers=3,proto=tcp server:${path} /mnt/home'
  as() { perl -e 'my ($u, $g) = splice @ARGV, 0, 2; $) = "$g $g"; $( = $g; $< = $u; $> = $u; exec @ARGV or die' "$@"; }
  refused() { if "$@"; then return 1; fi; }
  $mounting
  cd /mnt/home
  if [ $number = 2 ]; then
    (flock 9; touch held; there waits; sleep 2; echo given > state) 9> lock
    there has
    ${files}
    ${many}
    echo 'VM2 ASKS'
    there from-machine
    [ "$(cat from-machine)" = 'made there' ]
    touch done
  else
    there held
    refused flock -n lock true
    touch waits
    flock lock cat state > seen
    [ "$(cat seen)" = given ]
    touch has
    there done
  fi
  cd /
  umount /mnt/home
`;

/** Guests use a directory of the machine with the kernel's own client, and what they made is there for the machine's programs. */
export async function useDirectoryFromGuests(t: ExecutionContext): Promise<void> {
  t.timeout(900_000);
  const cwd = directory(t);
  const shared = join(cwd, 'shared');
  mkdirSync(shared);
  chmodSync(shared, 0o777);
  writeFileSync(join(cwd, 'exports'), `${shared} 10.77.0.0/24(rw,insecure,no_root_squash)\n`);
  const netns = await makeBridge(t, cwd);
  await makeBridgeGuest(cwd, steps(shared), 'fio', 'perl', 'tar', 'sha256sum');
  await serveOnBridge(netns, t, cwd, 'exports = "exports"');
  const consoles = await bootPair(cwd, netns, (out) => {
    if (out.includes('VM2 ASKS\r')) writeFileSync(join(shared, 'from-machine'), 'made there');
  });
  for (const console of consoles) t.regex(console, /^GUEST OK/m, console);
  t.is(readFileSync(join(shared, 'kept'), 'utf8'), 'secret\nmore\n');
  const { gid, mode, uid } = statSync(join(shared, 'kept'));
  t.deepEqual([uid, gid, mode & 0o7777], [1000, 100, 0o640]);
  t.is(statSync(join(shared, 'open/file')).uid, 2000);
  t.is(statSync(join(shared, 'c')).nlink, 1);
  await shell('sha256sum --quiet -c ../sums', { cwd: join(shared, 'many') });
}
