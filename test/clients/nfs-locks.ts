import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { bootPair, makeBridge, makeBridgeGuest, serveOnBridge } from './nfs-pair.ts';
import { ashlar, directory } from './served.ts';

const steps = `
  mount -t nfs -o vers=3,proto=tcp server:/home /mnt/home
  cd /mnt/home
  if [ $number = 2 ]; then
    showmount -e server
    rpcinfo -p server
    (echo taken > first; flock 9; echo 'VM2 HAS IT'; touch held; there waits; sleep 2; date +%s > given) 9> lock
    there has
    exec 8> other
    flock 8
    echo 'VM2 LOCKED OTHER'
    sleep 5
    touch restarted
    there over
    exec 8>&-
    there done
  else
    there held
    echo 'VM3 TRIES'
    ! flock -n lock true
    echo 'VM3 WAITS'
    touch waits
    flock lock date +%s > taken
    [ $(($(cat taken) - $(cat given))) -le 10 ]
    echo "VM3 WAITED $(($(cat taken) - $(cat given)))"
    touch has
    there restarted
    ! flock -n other true
    touch over
    flock other echo 'VM3 HAS OTHER'
    touch done
  fi
  cd /
  sleep 1
`;

/** Two guests lock files of a share against each other, hand locks over, and have them again behind a restart of the server, whose grace takes most of the time. */
export async function lockFromTwoGuests(t: ExecutionContext): Promise<void> {
  t.timeout(600_000);
  const cwd = directory(t);
  const netns = await makeBridge(t, cwd);
  await makeBridgeGuest(cwd, steps);
  const first = await serveOnBridge(netns, t, cwd);
  let restarted: Promise<unknown> | undefined;
  const restart = async (): Promise<void> => {
    await first.kill();
    await serveOnBridge(netns, t, cwd);
  };
  const consoles = await bootPair(cwd, netns, (out) => {
    if (out.includes('VM2 LOCKED OTHER\r')) restarted ??= restart();
  });
  await restarted;
  t.log(await ashlar(join(cwd, 'data'), 'status'));
  for (const console of consoles) t.regex(console, /^GUEST OK/m, console);
}
