import type { PairWork } from './nfs-pair.ts';

/** What the guest with the number 2 says when the server is to be killed, and started again. */
export const restartNow = 'VM2 LOCKED OTHER';

/** A restart's grace takes most of the time. */
const steps = `
  touch lock other
  if [ $number = 2 ]; then
    showmount -e server
    rpcinfo -p server
    (flock 9; echo 'VM2 HAS IT'; say held; heard waits; sleep 2; date +%s > given) 9> lock
    heard has
    exec 8> other
    flock 8
    echo '${restartNow}'
    sleep 5
    say restarted
    heard claimed
    exec 8>&-
    heard handed
  else
    heard held
    echo 'VM3 TRIES'
    ! flock -n lock true
    echo 'VM3 WAITS'
    say waits
    flock lock date +%s > taken
    [ $(($(cat taken) - $(cat given))) -le 10 ]
    echo "VM3 WAITED $(($(cat taken) - $(cat given)))"
    say has
    heard restarted
    ! flock -n other true
    say claimed
    flock other echo 'VM3 HAS OTHER'
    say handed
  fi
`;

/** Two guests lock files of a share against each other, hand locks over, and have them again behind a restart of the server. */
export const locking: PairWork = { name: 'locking', steps };
