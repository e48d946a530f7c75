import { AshlarError, type FileTree, type StreamPeer } from '@ashlar/core';
import type { NfsExport, NfsExports } from '../server/exports.ts';
import { plainAddress, ruleFor, type ClientPattern } from './client-pattern.ts';
import type { ExportClient, ExportRules } from './parse-exports.ts';
import { SnapshotList, type ListedSnapshot } from './snapshot-list.ts';

/** A tree that is exported: from where, the number that its file system has for ever, to whom and by which rules. */
export type ExportedTree = {
  readonly path: string;
  readonly fileSystem: bigint;
  readonly tree: FileTree;
  /** Of the tree, where it is exported more than once. */
  readonly treeNumber?: bigint;
  readonly clients: readonly ExportClient[];
  /** What is below `.snapshot`, which is a file system of its own. */
  readonly snapshots?: { readonly fileSystem: bigint; readonly all: readonly ExportedSnapshot[] };
};

export type ExportedSnapshot = ListedSnapshot & { readonly fileSystem: bigint; readonly tree: FileTree };

/** `exported`: the tree, and what is below it, by their file systems. */
type Rule = {
  readonly client: ClientPattern;
  readonly rules: ExportRules;
  readonly exported: ReadonlyMap<bigint, NfsExport>;
};

type Served = {
  readonly path: string;
  readonly fileSystem: bigint;
  readonly rules: readonly Rule[];
  /** Whether a client's names say which rule is its. */
  readonly isByName: boolean;
  /** Which rule is for an address, as long as these are its names: most calls come from few. */
  readonly known: Map<string, { readonly rule: Rule; readonly names: readonly string[] }>;
};

/** Names that are known to lead to an address; nothing: they are being looked up. */
type NamesOf = (address: string) => readonly string[] | undefined;

/** Ports that only root of a machine may call from. */
const privilegedPorts = 1024;
const mostKnown = 10_000;
const noNames: readonly string[] = [];
/** Where snapshots are found, in the root of what is mounted. */
const snapshotsName = Buffer.from('.snapshot');

/** Exports by their rules: they may be replaced at any time, and handles stay what they are as long as their trees are there. */
export class ServedExports implements NfsExports {
  /** The longest paths first: of two that a path lies in, the one that is nearer to it counts. */
  #served: readonly Served[] = [];
  #byFileSystem: ReadonlyMap<bigint, Served> = new Map();
  #away: ReadonlyMap<bigint, AshlarError> = new Map();
  readonly #namesOf: NamesOf;
  #hosts: readonly string[] = [];

  constructor(namesOf: NamesOf = () => noNames) {
    this.#namesOf = namesOf;
  }

  /** Names of single hosts that something is exported to. */
  get hosts(): readonly string[] {
    return this.#hosts;
  }

  /** Whether anything is exported to clients by their names. */
  get areByName(): boolean {
    return this.#served.some(({ isByName }) => isByName);
  }

  /**
   * Exports these from now on, and nothing else. `away`: file systems that are exported and cannot be used now, and what whoever asks for one is told: a handle that is called
   * stale is given up for ever.
   */
  replace(trees: readonly ExportedTree[], away: ReadonlyMap<bigint, AshlarError> = new Map()): void {
    const byFileSystem = new Map<bigint, Served>();
    const served = trees.map((each): Served => {
      const rules = each.clients.map(({ client, rules: own }): Rule => ({
        client,
        rules: own,
        exported: exportsOf(each, own),
      }));
      const isByName = rules.some(({ client: { kind } }) => kind === 'name' || kind === 'names');
      const made: Served = { path: each.path, fileSystem: each.fileSystem, rules, isByName, known: new Map() };
      for (const fileSystem of rules[0]?.exported.keys() ?? []) byFileSystem.set(fileSystem, made);
      return made;
    });
    this.#served = served.toSorted((one, other) => other.path.length - one.path.length);
    this.#byFileSystem = byFileSystem;
    this.#away = away;
    const hosts = trees.flatMap((each) => each.clients.filter(({ client: { kind } }) => kind === 'name'));
    this.#hosts = [...new Set(hosts.map(({ client }) => client.text))];
  }

  list(): readonly { readonly path: string; readonly clients: readonly string[] }[] {
    return this.#served
      .map(({ path, rules }) => ({ path, clients: rules.map(({ client }) => client.text) }))
      .toSorted((one, other) => (one.path < other.path ? -1 : 1));
  }

  mount(path: string, peer: StreamPeer): { readonly exported: NfsExport; readonly below: readonly string[] } {
    const parts = path.split('/').filter((part) => part !== '' && part !== '.');
    if (parts.includes('..')) throw new AshlarError('invalid', `'${path}' leads upwards`);
    const whole = `/${parts.join('/')}`;
    const served = this.#served.find((each) => isBelow(whole, each.path));
    if (served === undefined) throw new AshlarError('not-found', `'${path}' is not exported`);
    const below = whole
      .slice(served.path.length)
      .split('/')
      .filter((part) => part !== '');
    return { exported: this.#allowed(served, peer).exported.get(served.fileSystem)!, below };
  }

  find(fileSystem: bigint, peer: StreamPeer): NfsExport {
    const served = this.#byFileSystem.get(fileSystem);
    const exported = served && this.#allowed(served, peer).exported.get(fileSystem);
    if (exported !== undefined) return exported;
    throw this.#away.get(fileSystem) ?? new AshlarError('stale', 'what the handle is of is not exported any more');
  }

  #allowed(served: Served, peer: StreamPeer): Rule {
    const rule = this.#ruleFor(served, peer.address);
    const { path } = served;
    if (rule === undefined) {
      const address = plainAddress(peer.address);
      throw new AshlarError('denied', `'${path}' is not exported to ${address}`, { peer: address });
    }
    // On one machine, and behind a virtual machine's network, ports say nothing.
    if (!rule.rules.secure || peer.port < privilegedPorts || isLoopback(plainAddress(peer.address))) return rule;
    const address = plainAddress(peer.address);
    throw new AshlarError('denied', `'${path}' is exported to ports below ${privilegedPorts} of ${address}`, {
      peer: address,
    });
  }

  /** Throws `try-later` where the client's names are not known yet. */
  #ruleFor({ isByName, known, path, rules }: Served, peerAddress: string): Rule | undefined {
    const address = plainAddress(peerAddress);
    const names = isByName ? this.#namesOf(address) : noNames;
    if (names === undefined) {
      const rule = ruleFor(rules, { address, names: noNames });
      // No name comes before an address.
      if (rule?.client.kind === 'address') return rule;
      throw new AshlarError('try-later', `'${path}' is exported by names, and those of ${address} are being looked up`);
    }
    const there = known.get(peerAddress);
    if (there !== undefined && there.names === names) return there.rule;
    const rule = ruleFor(rules, { address, names });
    if (known.size >= mostKnown) known.clear();
    if (rule !== undefined) known.set(peerAddress, { rule, names });
    return rule;
  }
}

/** A tree as one rule exports it, and what is below its `.snapshot`, to be read. */
function exportsOf(
  { fileSystem, path, snapshots, tree, treeNumber }: ExportedTree,
  rules: ExportRules,
): Map<bigint, NfsExport> {
  const { acls, readOnly, squash, sync } = rules;
  const all = new Map<bigint, NfsExport>();
  const below = (of: bigint, its: FileTree, more: Partial<NfsExport> = {}): NfsExport => {
    const exported = { path, fileSystem: of, tree: its, readOnly: true, sync, squash, acls, ...more };
    all.set(of, exported);
    return exported;
  };
  const own = { readOnly, ...(treeNumber === undefined ? {} : { treeNumber }) };
  if (snapshots === undefined) {
    below(fileSystem, tree, own);
    return all;
  }
  const named = new Map(snapshots.all.map((each) => [each.name, below(each.fileSystem, each.tree)]));
  const list = below(snapshots.fileSystem, new SnapshotList(snapshots.all), {
    cross: (_file, name) => named.get(Buffer.from(name).toString()),
  });
  const cross: NfsExport['cross'] = (file, name) =>
    snapshotsName.equals(name) && Buffer.from(tree.root).equals(file) ? list : undefined;
  below(fileSystem, tree, { ...own, cross });
  return all;
}

const isBelow = (path: string, directory: string): boolean =>
  directory === '/' || path === directory || path.startsWith(`${directory}/`);

const isLoopback = (address: string): boolean => address === 'unix' || address === '::1' || address.startsWith('127.');
