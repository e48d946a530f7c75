import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const descriptors = '/proc/self/fd';

/**
 * The epoll descriptor of this thread's libuv loop, found as the one that watches `watched` (which only this thread
 * gave to libuv). Undefined where the system does not show it. A loop that waits on it too is woken by whatever libuv
 * waits for: messages of other threads, the thread pool, other sockets.
 */
export function findLibuvBackend(watched: number): number | undefined {
  try {
    const line = new RegExp(`^tfd:\\s*${watched}\\s`, 'm');
    // It is among the first: those of many connections come behind it.
    const all = readdirSync(descriptors)
      .map(Number)
      .sort((left, right) => left - right);
    return all.find((each) => isEpoll(each) && line.test(readFileSync(`/proc/self/fdinfo/${each}`, 'utf8')));
  } catch {
    return undefined;
  }
}

function isEpoll(descriptor: number): boolean {
  try {
    return readlinkSync(`${descriptors}/${descriptor}`) === 'anon_inode:[eventpoll]';
  } catch {
    // It was closed meanwhile, as the one that listed the folder.
    return false;
  }
}
