import type { Host, HostFile } from '@ashlar/host';

/** A host of which somebody looks at the files behind each write: a process that is killed there leaves them so. */
export function watched(host: Host, look: () => void): Host {
  const watch = (file: HostFile): HostFile =>
    new Proxy(file, {
      get: (target, name) => {
        const found = Reflect.get(target, name) as unknown;
        if (typeof found !== 'function') return found;
        return (...given: unknown[]): unknown => {
          const result = (found as (...all: unknown[]) => unknown).apply(target, given);
          if (name === 'write') look();
          return result;
        };
      },
    });
  return { ...host, open: (path, options) => watch(host.open(path, options)) };
}
