import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { boot, guestTools, makeInitramfs, working } from './guest.ts';
import { serveIn, shell, type Served, type Test } from './served.ts';

const programs = ['mount', 'mount.nfs', 'rpcbind', 'rpc.statd', 'sm-notify', 'showmount', 'rpcinfo', 'flock'];
const files = ['/etc/netconfig', '/etc/services', '/etc/protocols', '/etc/rpc'];
const modules = ['virtio_pci', 'virtio_net', 'virtio_blk', 'nfsv3'];

/** What the machine must have for guests on a bridge. */
export const bridgeTools = [...guestTools, 'mount.nfs', 'rpcbind', 'rpc.statd'];

/** A bridge of its own, on which this machine is 10.77.0.1, with two taps for guests. Gives the namespace's name. */
export async function makeBridge(t: Test, cwd: string): Promise<string> {
  const name = basename(cwd);
  await shell(`ip netns add ${name}`);
  t.teardown(() => shell(`ip netns delete ${name}`));
  await shell(`ip netns exec ${name} sh -e -c '
    ip link set lo up
    ip link add br0 type bridge
    ip address add 10.77.0.1/24 dev br0
    for tap in tap2 tap3; do ip tuntap add $tap mode tap; ip link set $tap master br0 up; done
    ip link set br0 up'`);
  return name;
}

/** The guest's number is its address: 10.77.0.N. Its own rpcbind and statd run, as on any Linux. */
const onBridge = (steps: string): string => `
echo 'root:x:0:0::/:/bin/sh' > /etc/passwd
echo '_rpc:x:0:0::/:/bin/sh' >> /etc/passwd
echo 'statd:x:0:0::/:/bin/sh' >> /etc/passwd
printf 'passwd: files\\nhosts: files\\nservices: files\\nnetconfig: files\\n' > /etc/nsswitch.conf
printf '127.0.0.1 localhost\\n10.77.0.1 server\\n10.77.0.2 vm2\\n10.77.0.3 vm3\\n' > /etc/hosts
  there() { while [ ! -e $1 ]; do sleep 0.2; done; }
  exec 2>&1
  hostname vm$number
  ip link set lo up
  ip address add 10.77.0.$number/24 dev eth0
  ip link set eth0 up
  mkdir -p /sbin /mnt/home /mnt/live /mnt/printed /tmp /run/rpcbind /run/sendsigs.omit.d /var/lib/nfs/sm /var/lib/nfs/sm.bak
  ln -s /bin/mount.nfs /sbin/mount.nfs
  ln -s /run /var/run
  rpcbind
  rpc.statd --no-notify
  ${steps}
`;

/** What both guests do at once; they tell each other how far they are by `say` and `heard`, and where one fails the other hears of it. */
export type PairWork = { readonly name: string; readonly steps: string };

/**
 * Of what a directory or a file was before, a client may tell what it remembers for half a minute and longer (`acregmin`, `acdirmin`); what it never asked for, and what it opens, it
 * asks for at once. Mounted with `noac` it remembers nothing: the guests hear each other there.
 */
export const together = ({ name, steps }: PairWork): string => `
cat > /tmp/${name} <<'END OF ${name}'
  say() { touch /mnt/live/.${name}-$1; }
  trap '[ $? = 0 ] || say failed' EXIT
  heard() { until [ -e /mnt/live/.${name}-$1 ]; do [ ! -e /mnt/live/.${name}-failed ]; sleep 0.2; done; }
  mount -t nfs -o vers=3 server:/home /mnt/home
  mount -t nfs -o vers=3,noac,nosharecache server:/home /mnt/live
  cd /mnt/home
  ${steps}
  say over$number
  heard over2
  heard over3
  cd /
  umount /mnt/home
  umount /mnt/live
END OF ${name}
  sh -ex /tmp/${name} && echo 'DID ${name}' || echo 'FAILED ${name}'
  umount -f -l /mnt/home /mnt/live || true
`;

/** Makes the initial file system of guests on the bridge: `$number` is 2 in one and 3 in the other. `more`: further programs. */
export const makeBridgeGuest = (cwd: string, steps: string, ...more: readonly string[]): Promise<void> =>
  makeInitramfs(cwd, { init: working(onBridge(steps)), programs: [...programs, ...more], files, modules });

/** Serves the file volume `home` on the bridge, at the ports that are usual: the port mapper is at 111. `settings`: more of the configuration of NFS. */
export async function serveOnBridge(netns: string, t: Test, cwd: string, settings = ''): Promise<Served> {
  const config = join(cwd, 'ashlar.toml');
  await writeFile(
    config,
    'listen = "10.77.0.1"\n[nbd]\nallow = ["10.77.0.0/24"]\n[nfs]\nallow = ["10.77.0.0/24"]\n' + settings,
  );
  return serveIn(netns, t, join(cwd, 'data'), '64M', '--config', config, '--volume', 'home:4G:file');
}

/** QEMU's options of a guest's connection to the bridge. */
const tap = (number: number): string =>
  `-netdev tap,id=net,ifname=tap${number},script=no,downscript=no -device virtio-net-pci,netdev=net,mac=52:54:00:77:00:0${number},romfile=`;

/** Boots both guests, and gives what each wrote to its console. */
export function bootPair(cwd: string, netns: string, heard: (out: string) => void = () => {}): Promise<string[]> {
  const guests = [2, 3].map((number) =>
    boot(cwd, tap(number), { netns, say: `number=${number}`, processors: 1, timeoutMs: 1_500_000, heard }),
  );
  return Promise.all(guests);
}
