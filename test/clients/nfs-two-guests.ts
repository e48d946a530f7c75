import type { ExecutionContext } from 'ava';
import { locking, restartNow } from './nfs-locks.ts';
import { bootPair, bridgeTools, makeBridge, makeBridgeGuest, serveOnBridge, together } from './nfs-pair.ts';
import { directory, shell } from './served.ts';

/** The printed line needs no port mapper, and has no locks. */
const printed = (mount: string): string => `
  ${mount.replace('/mnt/home', '/mnt/printed')}
  touch /mnt/printed/printed$number
  umount /mnt/printed
  [ -e /mnt/home/printed$number ]
`;

const steps = `
  if [ $number = 2 ]; then
    echo first > shared
    mkdir lianhua
    echo root > lianhua/file
    say made
    heard seen
    echo 'second, and longer' > shared
    rm lianhua/file
    mv lianhua moved
    say changed
    heard seen-changed
  else
    ls /mnt/live > /dev/null
    ! [ -e /mnt/live/lianhua ]
    heard made
    ls -d lianhua
    [ "$(ls lianhua)" = file ]
    [ "$(cat lianhua/file)" = root ]
    ls /mnt/live | grep -x lianhua
    [ "$(cat shared)" = first ]
    say seen
    heard changed
    [ "$(cat shared)" = 'second, and longer' ]
    [ -d moved ]
    ls /mnt/live | grep -x moved
    ! [ -e /mnt/live/lianhua ]
    say seen-changed
  fi

  say here$number
  heard here2
  heard here3
  perl -e 'for (1 .. 300) { print "$_\\n" if sysopen F, "only$_", 193 }' > /tmp/won # O_CREAT, O_EXCL and O_WRONLY
  cp /tmp/won won$number
  set +x
  line=0
  while [ $line -lt 100 ]; do
    (flock 9; echo "$number $line" >&9) 9>> log
    line=$((line+1))
  done

  sqlite3 test.db 'create table if not exists data (guest integer, line integer)' || sleep 5
  line=0
  while [ $line -lt 20 ]; do
    sqlite3 -cmd '.timeout 120000' test.db "begin immediate; insert into data values ($number, $line); insert into data values ($number, $line); commit"
    line=$((line+1))
  done
  set -x
  say done$number
  heard done2
  heard done3
  [ "$(cat won2 won3 | wc -l)" = 300 ]
  [ "$(cat won2 won3 | sort -u | wc -l)" = 300 ]
  [ "$(grep -c '^2 ' log)" = 100 ]
  [ "$(grep -c '^3 ' log)" = 100 ]
  [ "$(wc -l < log)" = 200 ]
  [ "$(sqlite3 test.db 'pragma journal_mode')" = delete ]
  [ "$(sqlite3 test.db 'pragma integrity_check')" = ok ]
  [ "$(sqlite3 test.db 'select count(*) from data')" = 80 ]
`;

/** What they need. */
export const twoGuestsTools: readonly string[] = [...bridgeTools, 'perl', 'sqlite3', 'nfs-ls', 'nfs-cat'];

/** What they do together, by what is shown then. */
export const pairWork = {
  sharing:
    'see what the other makes, make each file once, and lose nothing of a log and a database that both write to under locks',
  locking:
    'lock files of a share against each other, hand locks over, and have them again behind a restart of the server',
} as const;

/** Two guests on a bridge do it all, and libnfs finds what they left. Gives what each wrote to its console. */
export async function workInPair(t: ExecutionContext): Promise<readonly string[]> {
  const cwd = directory(t);
  const netns = await makeBridge(t, cwd);
  const first = await serveOnBridge(netns, t, cwd);
  t.regex(first.mount!, / 10\.77\.0\.1:\/home /);
  const sharing = { name: 'sharing', steps: printed(first.mount!) + steps };
  await makeBridgeGuest(cwd, [sharing, locking].map(together).join(''), 'perl', 'sqlite3');
  let restarted: Promise<unknown> | undefined;
  const restart = async (): Promise<void> => {
    await first.kill();
    await serveOnBridge(netns, t, cwd);
  };
  const consoles = await bootPair(cwd, netns, (out) => {
    if (out.includes(`${restartNow}\r`)) restarted ??= restart();
  });
  await restarted;
  const inside = `ip netns exec ${netns}`;
  t.regex(await shell(`${inside} nfs-ls 'nfs://10.77.0.1/home?version=3'`), /moved/);
  t.is(await shell(`${inside} nfs-cat 'nfs://10.77.0.1/home/shared?version=3'`), 'second, and longer\n');
  return consoles;
}
