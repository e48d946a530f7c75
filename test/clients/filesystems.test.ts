import { join } from 'node:path';
import { testAsRoot } from '@ashlar/testing';
import test from 'ava';
import { loopTools, onLoopDevice, why } from './loop-device.ts';
import { ashlar, directory, long, root, serve, shell } from './served.ts';

/** Names, modes, owners, sizes, links and times of all files. */
const list = `find . -printf '%p %m %u %g %s %n %l %T@\\n' | sort`;

/** Small and large files, holes, links and names; half of the small ones go again, and their room is trimmed. */
const fill = `mkdir mnt/tree mnt/small
  cp -a ${long ? '/usr/share' : join(root, 'packages')} mnt/tree
  head -c ${long ? 50_000_000 : 20_000_000} /dev/urandom > mnt/large
  truncate -s 150M mnt/sparse
  printf x | dd of=mnt/sparse bs=1 seek=100000000 conv=notrunc status=none
  ln mnt/large mnt/link; ln -s large mnt/pointer
  seq 1 3000 | (cd mnt/small; split -l 1 -a 4)
  sync
  rm mnt/small/*a
  fstrim mnt
  head -c 9999999 mnt/large >> mnt/large-too
  (cd mnt; find . -type f -print0 | sort -z | xargs -0 sha256sum) > sums
  (cd mnt; ${list}) > names`;

const compare = `(cd mnt; sha256sum --check --quiet) < sums
  (cd mnt; ${list}) | cmp - names
  test $(readlink mnt/pointer) = large`;

/** Files, each made durable before it is written down as safe, until the disk fails or somebody says stop. */
const writeForever = `n=0
  until test -e stop; do
    n=$((n + 1))
    dd if=/dev/urandom of=mnt/file$n bs=$((n * 997)) count=3 conv=fsync status=none
    sync mnt
    (cd mnt; sha256sum file$n) >> safe
  done`;

const untilManyAreSafe = `until test -e safe && test $(wc -l < safe) -gt ${long ? 100 : 50}; do sleep 0.1; done`;

const kinds = [
  { name: 'ext4', make: 'mkfs.ext4 -q', check: 'e2fsck -f -n $loop' },
  { name: 'xfs', make: 'mkfs.xfs -q', check: 'xfs_repair -n $loop' },
];

for (const { name, make, check } of kinds) {
  testAsRoot(test, ...loopTools)(
    `${name} on the volume is clean and whole after it was filled, and after kill -9${why}`,
    async (t) => {
      t.timeout(long ? 900_000 : 110_000);
      const cwd = directory(t);
      const limits = { cwd, timeoutMs: long ? 600_000 : 90_000 };
      const first = await serve(t, join(cwd, 'data'), '4G');
      const filled = `${make} $loop\nmount $loop mnt\n${fill}\numount mnt\n${check}`;
      await shell(onLoopDevice(first.uri, filled), limits);
      await first.kill();
      const second = await serve(t, join(cwd, 'data'), '4G');
      const checked = `${check}\nmount -o ro $loop mnt\n${compare}\numount mnt\n${check}`;
      await shell(onLoopDevice(second.uri, checked), limits);
      t.pass();
    },
  );

  testAsRoot(test, ...loopTools)(
    `${name} comes back when the server is killed under it: what was synced is there${why}`,
    async (t) => {
      t.timeout(110_000);
      const cwd = directory(t);
      const first = await serve(t, join(cwd, 'data'), '1G');
      const writing = Promise.allSettled([
        shell(onLoopDevice(first.uri, `${make} $loop\nmount $loop mnt\n${writeForever}`), { cwd }),
      ]);
      await shell(untilManyAreSafe, { cwd });
      await first.kill();
      const [{ status }] = await writing;
      t.is(status, 'rejected', 'the writer is told');
      const second = await serve(t, join(cwd, 'data'), '1G');
      const compared = `mount $loop mnt\n(cd mnt; sha256sum --check --quiet) < safe\numount mnt\n${check}`;
      await shell(onLoopDevice(second.uri, compared), { cwd });
    },
  );
}

/** A copy of a snapshot: its journal is replayed as a mount would, then nothing may be wrong, and what was safe is there. */
const checkSnapshot = (uri: string, safe: string): string => `nbdcopy ${uri} image
  e2fsck -E journal_only -y image > replayed || test $? -le 1
  e2fsck -f -n image
  unshare --mount sh -e -c 'mkdir -p snap; mount -o loop,ro image snap; (cd snap; sha256sum --check --quiet) < ${safe}'`;

testAsRoot(
  test,
  ...loopTools,
  'nbdcopy',
)(`ext4 is clean in every snapshot that was taken under load, and has what was synced before it${why}`, async (t) => {
  t.timeout(long ? 900_000 : 110_000);
  const cwd = directory(t);
  const data = join(cwd, 'data');
  const { uri } = await serve(t, data, '4G');
  const load = `mkfs.ext4 -q $loop\nmount $loop mnt\n${writeForever}\numount mnt`;
  const writing = shell(onLoopDevice(uri, load), { cwd, timeoutMs: 600_000 });
  await shell('until test -e safe; do sleep 0.1; done', { cwd });
  const snapshots = Array.from({ length: long ? 50 : 4 }, (_, index) => index);
  for (const index of snapshots) {
    await shell(`sleep 0.3; cp safe safe${index}`, { cwd });
    await ashlar(data, `volume snapshot demo@s${index}`);
  }
  await shell('touch stop', { cwd });
  await writing;
  for (const index of snapshots) {
    await shell(checkSnapshot(`${uri}@s${index}`, `safe${index}`), { cwd });
    await shell('rm image', { cwd });
  }
  t.pass();
});
