/** Clients that change an exported directory at once, each in directories of its own. */
export const clientCount = 3;

/** Blocks of 4 KiB that a file has at the most. */
export const mostBlocks = 12;

/** Numbers of files, which their blocks bear, are of one client: no two clients have the same. */
export const filesOfClient = 1_000_000;

/** Which block of which file: what its bytes say. */
export const placeOf = (file: number, block: number): number => file * mostBlocks + block;

/** Of the symbolic link of that number. */
export const textOf = (file: number): Uint8Array => Buffer.from(`to ${file}`);

export type FileType = 'regular' | 'directory' | 'link';

/** What a name is of: a number of ours, the inode's, and the tree's handle in hexadecimal digits. */
export type Made = { readonly file: number; readonly inode: string; readonly handle: string };

/** One call that was asked and answered. Paths are below the export: `clientN/DIRECTORY/NAME`. */
export type Change =
  | ({ readonly kind: 'make'; readonly path: string; readonly type: FileType; readonly mode: number } & Made)
  | { readonly kind: 'link'; readonly from: string; readonly to: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'mode'; readonly path: string; readonly mode: number }
  | { readonly kind: 'cut'; readonly path: string; readonly blocks: number }
  | {
      readonly kind: 'write';
      readonly path: string;
      readonly version: number;
      readonly first: number;
      readonly count: number;
      readonly isStable: boolean;
    }
  | { readonly kind: 'commit'; readonly path: string };

/** What the workload knows, a line each; positions as of the other ledger. Records are those of the table of handles. */
export type LedgerLine =
  | { readonly kind: 'opened'; readonly begun: number; readonly isNew: true }
  | {
      readonly kind: 'done';
      readonly client: number;
      readonly begun: number;
      readonly answered: number;
      readonly change: Change;
    }
  | {
      readonly kind: 'record';
      readonly at: number;
      readonly key: string;
      readonly value: string | null;
      readonly durable: boolean;
    };
