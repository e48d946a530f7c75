import { AshlarError } from '@ashlar/core';
import type { ImageFormat } from '@ashlar/image';
import { parseFileUri } from '@ashlar/image/uri';

/** A file of this machine that a name or a URI means. */
export type DiskFile = {
  readonly path: string;
  /** Nothing: the file is looked at. */
  readonly format: ImageFormat | undefined;
};

/** The scheme of a URI, with its colon: `nbd+unix:`. Nothing of what is a path, colons in it or none. */
export function schemeOf(name: string): string | undefined {
  const [, scheme] = /^([a-z][a-z0-9+.-]*:)\/\//i.exec(name) ?? [];
  return scheme?.toLowerCase();
}

/**
 * The file that is meant by a path, by `file:///path` (raw) or `qcow2:///path`; nothing where the URI is of something else, or of a part of one. `format`: as it was asked
 * for. Throws `invalid` for a URI of a file that names none.
 */
export function fileOf(name: string, format?: ImageFormat): DiskFile | undefined {
  const scheme = schemeOf(name);
  if (scheme === undefined) return { path: name, format };
  if (scheme !== 'file:' && scheme !== 'qcow2:') return undefined;
  const file = parseFileUri(name);
  if (file?.partition !== undefined) return undefined;
  if (file !== undefined) return { path: file.path, format: format ?? (scheme === 'qcow2:' ? 'qcow2' : 'raw') };
  throw new AshlarError('invalid', `'${name}' names no file: write ${scheme}///PATH`);
}
