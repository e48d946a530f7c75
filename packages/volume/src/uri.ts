import { isAbsolute, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AshlarError } from '@ashlar/core';

/** What a URI names outside the pool. */
export type NamedFile = {
  readonly path: string;
  /** What the file is: its bytes are the disk's, or it is an image. */
  readonly format: 'raw' | 'qcow2';
  /** Files that the image names, for its backing or its data, are opened as well. */
  readonly followsFiles: boolean;
};

const formats = { 'file:': 'raw', 'qcow2:': 'qcow2' } as const;

/**
 * Parses `file:///path` (raw) and `qcow2:///path`, with `?follow=on` for an image that names other files. Throws `invalid` for anything else: a
 * name that looks like none is most likely a volume that is not there.
 */
export function fileNamedBy(uri: string): NamedFile {
  if (!/^[a-z][a-z0-9+.-]*:/i.test(uri)) {
    throw new AshlarError(
      'not-found',
      `there is no volume '${uri}': 'ashlar volume ls' shows those there are; a file is named by a URI such as file:///srv/disk.raw`,
    );
  }
  const found = parsed(uri);
  if (found !== undefined) return found;
  throw new AshlarError(
    'invalid',
    `'${uri}' cannot be exported: write a volume's name or a file's URI such as file:///srv/disk.raw or qcow2:///srv/disk.qcow2`,
  );
}

function parsed(uri: string): NamedFile | undefined {
  try {
    const url = new URL(uri);
    const format = formats[url.protocol as keyof typeof formats] as NamedFile['format'] | undefined;
    if (format === undefined) return undefined;
    const follow = url.searchParams.get('follow');
    const isKnown = format === 'qcow2' && (follow === 'on' || follow === 'off');
    if (url.search !== '' && (!isKnown || url.searchParams.size > 1)) return undefined;
    const path = fileURLToPath(`file:${uri.slice(url.protocol.length).replace(/\?.*$/, '')}`);
    return isAbsolute(path) ? { path: normalize(path), format, followsFiles: follow === 'on' } : undefined;
  } catch {
    // Told by whoever asked, in words that name what is possible.
    return undefined;
  }
}

/** Whether an export of it can be. `readOnly`: as that is asked for. */
export function checkUri(uri: string, readOnly: boolean): void {
  const { format } = fileNamedBy(uri);
  if (format === 'raw' || readOnly) return;
  throw new AshlarError(
    'unsupported',
    `'${uri}' is a qcow2 image, which nothing keeps others from writing to at the same time: add --read-only`,
  );
}
