import type { Host } from '@ashlar/host';

const blockDevices = '/sys/block';

/** The block devices that the kernel has, by the beginning of their names, with what it says of each in a file of theirs. */
export function blockDevicesWith(
  host: Host,
  prefix: string,
  fact: string,
): { readonly path: string; readonly text: string }[] {
  if (host.stat(blockDevices) === undefined) return [];
  return host
    .list(blockDevices)
    .filter((name) => name.startsWith(prefix))
    .flatMap((name) => {
      const text = textOf(host, `${blockDevices}/${name}/${fact}`);
      return text === undefined ? [] : [{ path: `/dev/${name}`, text }];
    });
}

function textOf(host: Host, path: string): string | undefined {
  if (host.stat(path) === undefined) return undefined;
  const file = host.open(path, { readOnly: true });
  try {
    const into = Buffer.alloc(4096);
    return into.toString('utf8', 0, file.readSync(0, into)).trim();
  } finally {
    file.close();
  }
}
