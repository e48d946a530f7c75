import type { Host, HostFile } from '@ashlar/host';

/** A host whose files are what `change` makes of them, each as it is opened: to count calls, to delay them or to let them fail. */
export function withFiles(host: Host, change: (file: HostFile) => HostFile): Host {
  return { ...host, open: (path, options) => change(host.open(path, options)) };
}
