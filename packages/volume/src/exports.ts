import { AshlarError, type RecordChange } from '@ashlar/core';
import { checkCidr } from './addresses.ts';
import { checkName } from './names.ts';
import { dropExport, putExport, type Counts } from './records.ts';
import type { Serial } from './serial.ts';
import type { Export, ExportProtocol, Volume } from './types.ts';
import { checkUri } from './uri.ts';

type ExportsParts = {
  readonly serial: Serial;
  /** Now, as ISO 8601. */
  readonly now: () => string;
  readonly findVolume: (name: string) => Volume | undefined;
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
  readonly over?: readonly ExportProtocol[];
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
      const { name, source, readOnly = false, resizable = false, allow = [], over = ['nbd'] } = request;
      checkName('export', name);
      for (const cidr of allow) checkCidr(cidr);
      this.refuse(name);
      const volume = findVolume(source);
      if (volume === undefined) checkUri(source, readOnly);
      if (resizable && (readOnly || volume === undefined)) {
        throw new AshlarError(
          'invalid',
          `the export '${name}' cannot be resizable: it is ${readOnly ? 'read-only' : 'of no volume'}`,
        );
      }
      const item: Export = {
        name,
        source: volume === undefined ? { kind: 'uri', uri: source } : { kind: 'volume', uuid: volume.uuid },
        readOnly,
        ...(resizable ? { resizable } : {}),
        allow,
        over,
        created: now(),
      };
      await commit([putExport(item)], { exports: 1 });
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
export function ownExport({ name, uuid, created }: Pick<Volume, 'name' | 'uuid' | 'created'>): Export {
  return { name, source: { kind: 'volume', uuid }, readOnly: false, allow: [], over: ['nbd'], created };
}

function byName(items: readonly Export[]): readonly Export[] {
  return items.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
