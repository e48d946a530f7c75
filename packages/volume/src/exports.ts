import { AshlarError, type RecordChange } from '@ashlar/core';
import { checkCidr } from './addresses.ts';
import { checkName } from './names.ts';
import { ownRules, rulesWith } from './file-volumes.ts';
import { dropExport, putExport, type Counts } from './records.ts';
import type { Serial } from './serial.ts';
import type { ExportProtocol } from './protocols.ts';
import type { Export, NfsClient, SaidRules, Volume } from './types.ts';
import { checkUri, directoryNamedBy } from './uri.ts';

type ExportsParts = {
  readonly serial: Serial;
  /** Now, as ISO 8601. */
  readonly now: () => string;
  readonly findVolume: (name: string) => Volume | undefined;
  /** Behind an export; nothing where that is a URI. */
  readonly volumeOf: (item: Export) => Volume | undefined;
  /** A volume of that name is being made, and its export with it. */
  readonly isMaking: (name: string) => boolean;
  /** One durable batch. */
  readonly commit: (changes: readonly RecordChange[], more?: Partial<Counts>) => Promise<void>;
};

export type NewExport = {
  readonly name: string;
  /** A volume's name or a URI. */
  readonly source: string;
  readonly readOnly?: boolean;
  /** Its clients may change the volume's size. */
  readonly resizable?: boolean;
  readonly allow?: readonly string[];
  /** As its source is, unless it is named. */
  readonly over?: readonly ExportProtocol[];
  /** Of one over NFS, where it is other than a file volume's own. */
  readonly nfs?: SaidRules;
  /** Clients over NFS that have rules of their own, in place of `allow` and `nfs`; empty: none. */
  readonly clients?: readonly NfsClient[];
};

/** What is to be another; the rest stays. */
export type ExportChange = {
  readonly readOnly?: boolean | undefined;
  readonly resizable?: boolean | undefined;
  readonly allow?: readonly string[] | undefined;
  readonly nfs?: SaidRules | undefined;
  readonly clients?: readonly NfsClient[] | undefined;
};

/** More than anybody has; it bounds what is in memory and what a start reads. */
const mostExports = 100_000;

/** What is offered, under which names, to whom. */
export class Exports {
  readonly #parts: ExportsParts;
  readonly #known = new Map<string, Export>();

  constructor(parts: ExportsParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#known.size;
  }

  list(): readonly Export[] {
    return byName([...this.#known.values()]);
  }

  find(name: string): Export | undefined {
    return this.#known.get(name);
  }

  /** Throws `not-found`. */
  get(name: string): Export {
    const found = this.#known.get(name);
    if (found !== undefined) return found;
    throw new AshlarError('not-found', `there is no export '${name}': 'ashlar export ls' shows those there are`);
  }

  of({ uuid }: Pick<Volume, 'uuid'>): readonly Export[] {
    const known = [...this.#known.values()];
    return byName(known.filter(({ source }) => source.kind === 'volume' && source.uuid === uuid));
  }

  add(request: NewExport): Promise<Export> {
    const { serial, findVolume, now, commit } = this.#parts;
    return serial.run(async () => {
      const { name, source, readOnly = false, resizable = false, allow = [], clients = [], nfs } = request;
      checkName('export', name);
      for (const cidr of allow) checkCidr(cidr);
      this.refuse(name);
      const volume = findVolume(source);
      const over = protocolsOf(request, volume);
      if (volume === undefined && directoryNamedBy(source) === undefined) checkUri(source, readOnly);
      if (clients.length > 0 && nfs !== undefined) throw twoRules(name);
      const item: Export = {
        name,
        source: volume === undefined ? { kind: 'uri', uri: source } : { kind: 'volume', uuid: volume.uuid },
        readOnly,
        ...(resizable ? { resizable } : {}),
        allow,
        over,
        ...(over.includes('nfs') ? { nfs: rulesWith(nfs) } : {}),
        ...(clients.length === 0 ? {} : { clients }),
        created: now(),
      };
      checkExport(item, volume);
      await commit([putExport(item)], { exports: 1 });
      this.put(item);
      return item;
    });
  }

  /** Its clients stay, by the rules that it has from then on. */
  change(name: string, change: ExportChange): Promise<Export> {
    const { serial, volumeOf, commit } = this.#parts;
    return serial.run(async () => {
      const before = this.get(name);
      const { clients = before.clients ?? [], nfs, readOnly = before.readOnly } = change;
      const { allow = clients.length > 0 && change.clients !== undefined ? [] : before.allow } = change;
      for (const cidr of allow) checkCidr(cidr);
      const { clients: _, resizable: __, ...others } = before;
      const item: Export = {
        ...others,
        readOnly,
        ...((change.resizable ?? before.resizable) ? { resizable: true } : {}),
        allow,
        ...(before.nfs === undefined ? {} : { nfs: rulesWith(nfs, before.nfs) }),
        ...(clients.length === 0 ? {} : { clients }),
      };
      if (nfs !== undefined && before.nfs === undefined) throw noNfs(name);
      if (nfs !== undefined && clients.length > 0) throw twoRules(name);
      if (before.source.kind === 'uri' && readOnly !== before.readOnly) {
        throw new AshlarError(
          'unsupported',
          `'${name}' is of no volume, and is opened to be ${before.readOnly ? 'read' : 'written'}: remove the export, and add it again`,
        );
      }
      checkExport(item, volumeOf(before));
      await commit([putExport(item)]);
      this.put(item);
      return item;
    });
  }

  /** Takes the offer back; the volume or file behind it stays. */
  remove(name: string): Promise<Export> {
    return this.#parts.serial.run(async () => {
      const item = this.get(name);
      await this.#parts.commit([dropExport(name)], { exports: -1 });
      this.drop(name);
      return item;
    });
  }

  /** Throws `exists` where the name is taken, `busy` where there are too many. */
  refuse(name: string): void {
    if (this.#known.size >= mostExports) throw new AshlarError('busy', `a pool keeps at most ${mostExports} exports`);
    if (!this.#known.has(name) && !this.#parts.isMaking(name)) return;
    throw new AshlarError(
      'exists',
      `there is an export '${name}' already: choose another name, or remove it with 'ashlar export rm ${name}'`,
    );
  }

  /** It is on record. */
  put(item: Export): void {
    this.#known.set(item.name, item);
  }

  /** It is on record no more. */
  drop(name: string): void {
    this.#known.delete(name);
  }
}

/** What a volume is offered as under its own name. */
export function ownExport({ created, name, type, uuid }: Pick<Volume, 'name' | 'uuid' | 'created' | 'type'>): Export {
  const offered = type === 'file' ? ({ over: ['nfs'], nfs: ownRules } as const) : ({ over: ['nbd'] } as const);
  return { name, source: { kind: 'volume', uuid }, readOnly: false, allow: [], ...offered, created };
}

/** Over which protocols, and that they can be. Throws `invalid`. */
function protocolsOf({ name, nfs, over, source }: NewExport, volume: Volume | undefined): readonly ExportProtocol[] {
  const isDirectory = volume === undefined && directoryNamedBy(source) !== undefined;
  const isTree = isDirectory || volume?.type === 'file';
  const fitting = isTree ? 'nfs' : 'nbd';
  const wrong = (over ?? []).find((each) => each !== fitting);
  if (wrong !== undefined) {
    const tree = isDirectory ? 'a directory' : 'a file volume';
    const what = isTree ? tree : volume === undefined ? 'no file volume' : 'a block volume';
    throw new AshlarError('invalid', `'${source}' is ${what}, which is offered over ${fitting}, and not over ${wrong}`);
  }
  if (nfs !== undefined && !isTree) {
    throw noNfs(name);
  }
  return [fitting];
}

const noNfs = (name: string): AshlarError =>
  new AshlarError('invalid', `the export '${name}' has rules of NFS and is not offered over it`);

const twoRules = (name: string): AshlarError =>
  new AshlarError('invalid', `the clients of '${name}' have rules of their own: say all of them there`);

/** What does not go together. Throws `invalid`. */
function checkExport({ allow, clients, name, over, readOnly, resizable }: Export, volume: Volume | undefined): void {
  if (resizable === true && (readOnly || volume?.type !== 'block')) {
    throw new AshlarError(
      'invalid',
      `the export '${name}' cannot be resizable: it is ${readOnly ? 'read-only' : 'of no block volume'}`,
    );
  }
  if (clients === undefined) return;
  if (!over.includes('nfs')) throw noNfs(name);
  if (allow.length > 0) {
    throw new AshlarError('invalid', `the clients of '${name}' are named with their rules: leave --allow out`);
  }
}

function byName(items: readonly Export[]): readonly Export[] {
  return items.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
