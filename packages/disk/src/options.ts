import type { BlockDevice } from '@ashlar/core';
import type { Host } from '@ashlar/host';
import type { ImageFormat } from '@ashlar/image';

/** Opens what the URIs of one scheme name. */
export type OpenDisk = (uri: string, options: OpenDiskOptions) => Promise<BlockDevice>;

export type OpenDiskOptions = {
  readonly host: Host;
  /** Default true. */
  readonly readOnly?: boolean;
  /** Of a file that is an image; without it the file is looked at, or the URI says it. */
  readonly format?: ImageFormat | undefined;
  /** A snapshot inside an image, by its id or name. */
  readonly snapshot?: string | undefined;
  /** Default false. Others may write to an image meanwhile. */
  readonly forceShare?: boolean | undefined;
  /** To a server, where it says that several are safe. */
  readonly connections?: number;
  /** Schemes that are opened otherwise, or not known here, with their colons. */
  readonly others?: Readonly<Record<string, OpenDisk>>;
};
