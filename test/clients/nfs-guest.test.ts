import { join } from 'node:path';
import { testAsRoot, testWithTools } from '@ashlar/testing';
import test from 'ava';
import { boot, guestTools, makeInitramfs, working } from './guest.ts';
import { directoryGuestTools, useDirectoryFromGuests } from './nfs-directory-guests.ts';
import { programTools, programWork, workInGuest } from './nfs-programs.ts';
import { pairWork, twoGuestsTools, workInPair } from './nfs-two-guests.ts';
import { directory, long, serve } from './served.ts';

const nfsTools = [...guestTools, 'mount.nfs', 'fio', 'perl', 'tar', 'setfacl', 'getfacl'];
const files = ['mount', 'umount', 'mount.nfs', 'fio', 'perl', 'tar', 'stat', 'truncate', 'sha256sum'];
const programs = [...files, 'setfacl', 'getfacl'];
const modules = ['virtio_pci', 'virtio_net', 'nfsv3'];
const network = '-netdev user,id=net -device virtio-net-pci,netdev=net,romfile=';

/** Behind QEMU's user network the host's loopback has another address. */
const inGuest = (line: string): string => line.replace('127.0.0.1:', '10.0.2.2:');

const guest = (mount: string, steps: string): string => `
  set -x
  exec 2>&1
  ip address add 10.0.2.15/24 dev eth0
  ip link set eth0 up
  mkdir -p /sbin /mnt/home /tmp
  ln -s /bin/mount.nfs /sbin/mount.nfs
  ${inGuest(mount)}
  cd /mnt/home
  ${steps}
`;

/** Access control lists: set, told, obeyed for other users, and inherited whatever the umask is. What there is in the end is in a file of the guest. */
const lists = `
  as() { perl -e 'my $u = shift; $) = "$u $u"; $( = $u; $< = $u; $> = $u; exec @ARGV or die' "$@"; }
  refused() { if "$@"; then return 1; fi; }
  has() { getfacl -cnE "$1" | grep -qx "$2"; }
  echo secret > shared
  chmod 600 shared
  setfacl -m u:2000:r shared
  has shared user:2000:r--
  has shared group::---
  [ "$(stat -c %a shared)" = 640 ]
  [ "$(as 2000 cat shared)" = secret ]
  refused as 2000 sh -c 'echo more >> shared'
  refused as 3000 cat shared
  chmod g= shared
  has shared mask::---
  refused as 2000 cat shared
  setfacl -m u:2000:rw,m:rw shared
  as 2000 sh -c 'echo more >> shared'
  echo open > closed
  chmod 666 closed
  setfacl -m u:3000:0 closed
  refused as 3000 cat closed
  as 2000 cat closed
  setfacl -b closed
  as 3000 cat closed
  mkdir inherits
  setfacl -d -m u:2000:rwx,g::rx,o::0 inherits
  umask 077
  echo theirs > inherits/file
  mkdir inherits/below
  umask 022
  has inherits/file user:2000:rwx
  has inherits/file mask::rw-
  has inherits/below user:2000:rwx
  has inherits/below default:user:2000:rwx
  as 2000 sh -c 'echo more >> inherits/file'
  refused as 3000 cat inherits/file
  getfacl -cnR shared inherits > /lists
`;

const everything = (mount: string): string => `
  echo hello > a
  [ "$(cat a)" = hello ]
  mv a b
  [ ! -e a ]
  ln b c
  [ "$(stat -c %h b)" = 2 ]
  ln -s b s
  [ "$(cat s)" = hello ]
  mkdir d
  mv b d
  ! rmdir d
  chmod 2640 c
  chown 1000:100 c
  [ "$(stat -c %a:%u:%g c)" = 640:1000:100 ] || [ "$(stat -c %a:%u:%g c)" = 2640:1000:100 ]
  mkfifo p
  mknod n c 1 3
  echo nothing > n
  touch 'ä ö'
  [ "$(echo ä*)" = 'ä ö' ]
  truncate -s 1099511627776 big
  printf end | dd of=big bs=1 seek=1099511627773 conv=notrunc 2>/dev/null
  [ "$(stat -c %s big)" = 1099511627776 ]
  [ "$(dd if=big bs=1 skip=1099511627773 2>/dev/null)" = end ]
  [ "$(stat -c %b big)" -lt 100 ]
  perl -e 'sysopen(F, "x", 193) or die; sysopen(G, "x", 193) and die; exit 0' # O_CREAT, O_EXCL and O_WRONLY
  for n in 1 2 3 4; do (for m in 1 2 3 4 5; do echo $n$m >> log; done) & done; wait
  [ "$(wc -l < log)" = 20 ] || echo 'lines of log were written over by each other'
  fio --name=m --ioengine=mmap --rw=randwrite --bs=4k --size=4M --verify=crc32c --filename=/mnt/home/mapped >/dev/null
  fio --name=d --ioengine=sync --direct=1 --rw=randwrite --bs=16k --size=4M --verify=crc32c --filename=/mnt/home/direct >/dev/null
  mkdir tree
  tar -c -C / modules bin | tar -x -C tree
  (cd tree && find . -type f | sort | xargs sha256sum) > /sums
  i=0; while [ $i -lt 500 ]; do echo $i > many$i; i=$((i+1)); done
  [ "$(ls | grep -c many)" = 500 ]
  ${lists}
  cd /
  umount /mnt/home
  echo 3 > /proc/sys/vm/drop_caches
  ${inGuest(mount)}
  cd /mnt/home/tree && sha256sum -c /sums > /tmp/checked
  cd ..
  getfacl -cnR shared inherits | cmp - /lists
  cat many499
  rm many*
  rm -r tree
  [ "$(ls | grep -c many)" = 0 ] || true
  df -k /mnt/home
  cd /
  umount /mnt/home
`;

testWithTools(test, ...nfsTools)(
  "the kernel's NFS client mounts a file volume by the line that is printed, and finds again what it did",
  async (t) => {
    t.timeout(400_000);
    const cwd = directory(t);
    const { mount } = await serve(t, join(cwd, 'data'), '64M', '--volume', 'home:2G:file');
    await makeInitramfs(cwd, { init: working(guest(mount!, everything(mount!))), programs, modules });
    const console = await boot(cwd, network);
    t.regex(console, /^GUEST OK/m, console);
  },
);

// It takes minutes. In short the service is tested by itself.
if (long) {
  const oneByOne = test.serial as typeof test;
  let shared: Promise<readonly string[]> | undefined;
  for (const [name, what] of Object.entries(pairWork)) {
    testAsRoot(oneByOne, ...twoGuestsTools)(`two guests ${what}`, async (t) => {
      t.timeout(1_600_000);
      // One pair does it all.
      shared ??= workInPair(t);
      for (const console of await shared) t.regex(console, new RegExp(`^DID ${name}\\r?$`, 'm'), console);
    });
  }

  testAsRoot(oneByOne, ...directoryGuestTools)(
    'guests make, map, lock and pack files of a directory of the machine, which finds them as they were made',
    useDirectoryFromGuests,
  );

  let worked: Promise<string> | undefined;
  for (const [name, { what }] of Object.entries(programWork)) {
    testWithTools(oneByOne, ...programTools)(`a guest has ${what} on a file volume as on its own disk`, async (t) => {
      t.timeout(2_500_000);
      // One guest does it all.
      worked ??= workInGuest(t);
      const console = await worked;
      t.regex(console, new RegExp(`^DID ${name} `, 'm'), console);
    });
  }
}
