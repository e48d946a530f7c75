import { errorKindOf } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';

/** As the pool itself has the file open: past the page cache where the file system lets it. */
export function openToRead(host: Host, path: string): HostFile {
  try {
    return host.open(path, { readOnly: true, direct: true });
  } catch (error) {
    if (errorKindOf(error) !== 'unsupported') throw error;
    return host.open(path, { readOnly: true });
  }
}
