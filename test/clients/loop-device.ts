import { execFileSync } from 'node:child_process';
import { shell, type Test } from './served.ts';

/**
 * Commands with name spaces of their own: mounts, programs and loop devices that nobody else has open go with them, and they go
 * with the shell that runs them.
 */
export function apart(commands: string): string {
  return `setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc sh -e <<'END'
    ${commands}
END`;
}

/** Commands apart, with the volume as the loop device `$loop`, by nbdfuse. It is detached as soon as nobody has it open. */
export function onLoopDevice(uri: string, commands: string): string {
  return apart(`mkdir -p fuse mnt
    nbdfuse --connections 4 fuse/disk '${uri}' &
    until test -s fuse/disk; do sleep 0.1; done
    loop=$(losetup --find --show fuse/disk)
    exec 9<>$loop
    losetup --detach $loop
    ${commands}
    exec 9>&-
    until fusermount3 -u fuse 2>>warnings; do sleep 0.1; done
    wait`);
}

/** Makes a file of the test's directory a loop device until the test ends. `options`: of losetup. */
export async function loopDeviceOf(t: Test, cwd: string, file: string, options = ''): Promise<string> {
  const device = (await shell(`losetup --find --show ${options} ${file}`, { cwd })).trim();
  t.teardown(() => shell(`losetup --detach ${device}`));
  return device;
}

/** Why there are no loop devices or mounts here, if there are none: a container may forbid them to root, too. */
function hindrance(): string {
  try {
    execFileSync('unshare', ['--mount', 'sh', '-e', '-c', 'test -w /dev/fuse; test -b "$(losetup --find)"'], {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      stdio: 'pipe',
    });
    return '';
  } catch {
    return ' (not here: this machine lets nobody use loop devices, FUSE or mounts)';
  }
}

/** For the titles of tests that use loop devices: nothing, or why they are skipped. */
export const why = hindrance();

/** What tests that use loop devices need, for `testAsRoot`. */
export const loopTools = why === '' ? ['nbdfuse', 'losetup', 'fusermount3', 'mkfs.ext4', 'mkfs.xfs'] : ['loop devices'];
