import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { bootPair, bridgeTools, makeBridge, makeBridgeGuest, serveOnBridge } from './nfs-pair.ts';
import { directory, shell } from './served.ts';

/**
 * Of what a directory or a file was before, a client may tell what it remembers for half a minute and longer (`acregmin`, `acdirmin`); what it never asked for, and what it opens, it
 * asks for at once. Mounted with `noac` it remembers nothing: the guests wait for each other by files there.
 */
const sharing = (mount: string): string => `
  set -x
  # The printed line needs no port mapper, and has no locks.
  ${mount}
  touch /mnt/home/printed$number
  umount /mnt/home
  mount -t nfs -o vers=3 server:/home /mnt/home
  [ -e /mnt/home/printed$number ]
  mount -t nfs -o vers=3,noac,nosharecache server:/home /mnt/live
  [ "$(grep -c ' nfs ' /proc/mounts)" = 2 ]
  cd /mnt/home
  say() { touch /mnt/live/.$1; }
  trap '[ $? = 0 ] || say failed' EXIT
  heard() { until [ -e /mnt/live/.$1 ]; do [ ! -e /mnt/live/.failed ]; sleep 0.2; done; }

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
  say checked$number
  heard checked2
  heard checked3
  cd /
  umount /mnt/home
  umount /mnt/live
`;

/** What it needs. */
export const twoGuestsTools: readonly string[] = [...bridgeTools, 'perl', 'sqlite3'];

/** Two guests at once see what the other makes, make each file once, and lose nothing of a log and a database that both write to under locks. */
export async function shareBetweenGuests(t: ExecutionContext): Promise<void> {
  t.timeout(1_600_000);
  const cwd = directory(t);
  const netns = await makeBridge(t, cwd);
  const { mount } = await serveOnBridge(netns, t, cwd);
  t.regex(mount!, / 10\.77\.0\.1:\/home /);
  await makeBridgeGuest(cwd, sharing(mount!), 'perl', 'sqlite3');
  const consoles = await bootPair(cwd, netns);
  for (const console of consoles) t.regex(console, /^GUEST OK/m, consoles.join('\n'));
  const listed = await shell(`ip netns exec ${netns} nfs-ls 'nfs://10.77.0.1/home?version=3'`, { cwd: join(cwd) });
  t.regex(listed, /moved/);
}
