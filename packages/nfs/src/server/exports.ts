import type { Credentials, FileHandle, FileTree, StreamPeer } from '@ashlar/core';

/** A tree that clients mount, and by which rules. */
export type NfsExport = {
  /** Where it is mounted from: begins with a slash. */
  readonly path: string;
  /** The file system's number, the same for ever, and no other export's: by it a handle leads to the rules that it was given by. */
  readonly fileSystem: bigint;
  /** Of the tree, where it is exported more than once: a lock of one of its files holds in all of them. */
  readonly treeNumber?: bigint;
  readonly tree: FileTree;
  readonly readOnly: boolean;
  /** What changes names and attributes is durable before it is answered. */
  readonly sync: boolean;
  readonly squash: SquashRules;
  /** Clients are told of access control lists, where the tree has some, and set them; obeyed they are in any case. */
  readonly acls: boolean;
  /** What a name in a directory leads to where that is another file system: to its root. */
  readonly cross?: (directory: FileHandle, name: Uint8Array) => NfsExport | undefined;
};

/** Who a caller is taken for (exports(5)). */
export type SquashRules = {
  /** `root`: root is nobody. `all`: everybody is. */
  readonly who: 'none' | 'root' | 'all';
  readonly anonymousUid: number;
  readonly anonymousGid: number;
};

/** The exports that clients may use. */
export interface NfsExports {
  /** For MOUNT's EXPORT: paths, and who may mount them, as people read it. */
  list(): readonly { readonly path: string; readonly clients: readonly string[] }[];
  /** The one that a path is mounted from, and the rest of the path below it. Throws `not-found`, and `denied` where that client may not. */
  mount(path: string, peer: StreamPeer): { readonly exported: NfsExport; readonly below: readonly string[] };
  /** The one that a handle is of. Throws `stale` where it is no more, and `denied`. */
  find(fileSystem: bigint, peer: StreamPeer): NfsExport;
}

/** The number of an export's tree, which no other tree has. */
export const treeNumberOf = ({ fileSystem, treeNumber = fileSystem }: NfsExport): bigint => treeNumber;

/** What a caller may do as, by what its machine says. Nothing: it said nothing. */
export function credentialsOf(
  said: { readonly uid: number; readonly gid: number; readonly gids: readonly number[] } | undefined,
  { anonymousGid, anonymousUid, who }: SquashRules,
): Credentials {
  const nobody: Credentials = { uid: anonymousUid, gid: anonymousGid, gids: [] };
  if (said === undefined || who === 'all') return nobody;
  if (who === 'none') return said;
  return {
    uid: said.uid === 0 ? anonymousUid : said.uid,
    gid: said.gid === 0 ? anonymousGid : said.gid,
    gids: said.gids.filter((gid) => gid !== 0),
  };
}
