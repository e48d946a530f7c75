import { AshlarError, AssertionError, errorKindOf, type FileTree } from '@ashlar/core';
import { parseClient, type ExportedSnapshot, type ExportedTree } from '@ashlar/nfs';
import type { ControlFunctions } from './control-functions.ts';
import type { NfsGrant } from './messages.ts';
import type { Remote } from './rpc.ts';
import type { Trees } from './trees.ts';

/** Opens what is exported over NFS. */
export class ExportOpener {
  readonly #trees: Trees;
  readonly #control: Remote<ControlFunctions>;

  constructor(trees: Trees, control: Remote<ControlFunctions>) {
    this.#trees = trees;
    this.#control = control;
  }

  /** Nothing where it cannot be used now; `away` has why. */
  async open(grant: NfsGrant, away: Map<bigint, AshlarError>): Promise<ExportedTree | undefined> {
    const { fileSystem, isWithdrawn, path, snapshots, source } = grant;
    const trees = this.#trees;
    if (source.kind === 'directory') return this.#exportedDirectory(grant, source.path, away);
    const { sizeBytes, storeId } = source;
    if (isWithdrawn) {
      const error = new AshlarError('try-later', `'${path}' is being changed as a whole`);
      for (const each of [fileSystem, ...fileSystemsOf(snapshots)]) away.set(each, error);
      return undefined;
    }
    trees.resize(storeId, sizeBytes);
    const open = async (of: bigint, name: string, opening: () => Promise<FileTree>): Promise<FileTree | undefined> => {
      const found = await this.#opened(name, opening);
      if (!(found instanceof AshlarError)) return found;
      away.set(of, found);
      return undefined;
    };
    const tree = await open(fileSystem, path, () => trees.open(storeId));
    if (tree === undefined) {
      for (const each of fileSystemsOf(snapshots)) away.set(each, away.get(fileSystem)!);
      return undefined;
    }
    const all: ExportedSnapshot[] = [];
    for (const { fileSystem: of, name, snapshotId, takenSeconds } of snapshots.all) {
      const found = await open(of, `${path}@${name}`, () => trees.openSnapshot(storeId, snapshotId));
      if (found === undefined) continue;
      all.push({ name, fileSystem: of, tree: found, taken: { seconds: takenSeconds, nanoseconds: 0 } });
    }
    return exportedAs(grant, tree, all);
  }

  async #exportedDirectory(
    grant: NfsGrant,
    path: string,
    away: Map<bigint, AshlarError>,
  ): Promise<ExportedTree | undefined> {
    const tree = await this.#opened(grant.path, () => this.#trees.directories.open(path));
    if (!(tree instanceof AshlarError)) return exportedAs(grant, tree, []);
    // It may come back: nobody is to give up what they had of it.
    away.set(grant.fileSystem, new AshlarError('try-later', tree.message));
    return undefined;
  }

  async #opened(path: string, open: () => Promise<FileTree>): Promise<FileTree | AshlarError> {
    try {
      return await open();
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      const reason = error instanceof AshlarError ? error.message : String(error);
      const fields = { export: path, reason, kind: errorKindOf(error) };
      void this.#control.log('error', fields, 'a file volume, a snapshot of one or a directory cannot be served');
      return error instanceof AshlarError ? error : new AshlarError('io', reason);
    }
  }
}

/** Of what is below `.snapshot`, with its list. */
const fileSystemsOf = ({ all, fileSystem }: NfsGrant['snapshots']): bigint[] => [
  fileSystem,
  ...all.map((each) => each.fileSystem),
];

const exportedAs = (
  { clients, fileSystem, path, snapshots, source, treeNumber }: NfsGrant,
  tree: FileTree,
  all: readonly ExportedSnapshot[],
): ExportedTree => ({
  path,
  fileSystem,
  tree,
  treeNumber,
  ...(source.kind === 'directory' ? {} : { snapshots: { fileSystem: snapshots.fileSystem, all } }),
  clients: clients.map(({ client, rules }) => ({ client: parseClient(client), rules })),
});
