import { globSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { shell } from './served.ts';

const kernel = globSync('/boot/vmlinuz-*-cloud-amd64').toSorted().at(-1) ?? '';
const release = kernel.replace('/boot/vmlinuz-', '');

/** What a test with a guest needs, for `testWithTools`. */
export const guestTools = [
  'qemu-system-x86_64',
  'busybox',
  'modprobe',
  'cpio',
  ...(kernel === '' ? ['a Debian cloud kernel'] : []),
];

type GuestFiles = {
  /** Commands of busybox's shell, in whose search path `/bin` is. */
  readonly init: string;
  /** Programs of this machine, with their libraries. */
  readonly programs: readonly string[];
  /** Of this machine, where they are here too. */
  readonly files?: readonly string[];
  /** Of the kernel, with those that they need; `/modules/order` says in which order. */
  readonly modules: readonly string[];
};

/** The first lines of what a guest runs as its first process, which has its modules then. */
const prologue = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
while read module; do insmod /modules/$module; done < /modules/order
`;

/** What a guest begins with that works through steps: it says `GUEST OK` only where each of them succeeded, and ends. */
export const working = (steps: string): string => `cat > /work <<'END OF WORK'
${steps}
END OF WORK
sh -e /work && echo 'GUEST OK' || echo 'GUEST FAILED'
poweroff -f
`;

/** Makes `initramfs` in a directory: an initial file system. */
export async function makeInitramfs(cwd: string, { files = [], init, modules, programs }: GuestFiles): Promise<void> {
  await writeFile(join(cwd, 'init'), prologue + init);
  await shell(
    `mkdir -p root/bin root/etc root/lib root/lib64 root/mnt root/modules root/proc root/sys root/dev
    cp $(command -v busybox) root/bin/busybox
    for program in ${programs.join(' ')}; do
      path=$(command -v $program)
      cp -L $path root/bin/$program
      ldd $path | grep -o '/[^ ]*' | xargs -I{} cp -L --parents {} root
    done
    for file in ${files.join(' ')}; do cp -L --parents $file root; done
    for name in ${modules.join(' ')}; do modprobe --set-version ${release} --show-depends $name; done |
      sed -n 's/^insmod //p' | awk '!seen[$1]++ { print $1 }' > modules
    xargs -I{} cp {} root/modules < modules
    sed 's:.*/::' modules > root/modules/order
    mv init root/init && chmod 755 root/init
    (cd root && find . | cpio --quiet --create --format=newc) | gzip -1 > initramfs`,
    { cwd },
  );
}

type BootOptions = {
  /** The network namespace that it is in. */
  readonly netns?: string;
  /** Added to the kernel's command line: `NAME=VALUE` is a variable of the guest's first process. */
  readonly say?: string;
  /** Virtual processors. */
  readonly processors?: number;
  /** It is ended after this time, and the answer rejects. 300 s where nothing is said. */
  readonly timeoutMs?: number;
  /** Told of all that it wrote to its console until now, whenever it does. */
  readonly heard?: (out: string) => void;
};

/** Processors that are made up have no leaks of their own to guard, and what a guest forgets nobody reads. */
const quicker = 'mitigations=off init_on_alloc=0';

/** Boots it, with more of QEMU's options, and gives what it writes to its console until it is off. */
export function boot(cwd: string, options: string, more: BootOptions = {}): Promise<string> {
  const { heard, netns, processors = 2, say = '', timeoutMs = 300_000 } = more;
  const inside = netns === undefined ? '' : `ip netns exec ${netns} `;
  return shell(
    `${inside}qemu-system-x86_64 -accel tcg -m 512 -smp ${processors} -nodefaults -no-reboot -display none -serial stdio \\
    -kernel ${kernel} -initrd initramfs -append 'console=ttyS0 quiet panic=-1 ${quicker} ${say}' ${options} </dev/null`,
    { cwd, timeoutMs, ...(heard === undefined ? {} : { heard }) },
  );
}
