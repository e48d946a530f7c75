import { openSync, closeSync, fstatSync, readFileSync } from 'node:fs';
import { AshlarError, MiB } from '@ashlar/core';
import { parseExports, type ExportLine } from '@ashlar/nfs';
import { directoryUri, ownRules, type Catalogue, type Export, type Volume } from '@ashlar/volume';
import { checkExportedDirectory } from './exported-directory.ts';
import { keptClients } from './nfs-clients.ts';

/** A file of exports as it was read. */
type Read = {
  readonly path: string;
  readonly modified: string;
  readonly lines: readonly ExportLine[];
  /** Paths that were directories: one that is away is served as soon as it is back. */
  readonly directories: Set<string>;
};

type Volumes = ReadonlyMap<string, Pick<Volume, 'type' | 'uuid'>>;

const mostBytes = 4 * MiB;

/** Reads a file of the form of /etc/exports. Throws `not-found` where it cannot be read, `invalid` with the line that is at fault. */
export function readExportsFile(path: string): Read {
  const { modified, text } = contentOf(path);
  try {
    return { path, modified, lines: parseExports(text), directories: new Set() };
  } catch (error) {
    if (!(error instanceof AshlarError)) throw error;
    throw new AshlarError('invalid', `${path} (nfs.exports): ${error.message}`, { path }, error);
  }
}

function contentOf(path: string): { readonly modified: string; readonly text: string } {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    const { mtime, size } = fstatSync(descriptor);
    if (size > mostBytes) throw new Error(`it has more than ${mostBytes} bytes`);
    return { modified: mtime.toISOString(), text: readFileSync(descriptor, 'utf8') };
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'it is not there' : (error as Error).message;
    const sentence = `the file of exports ${path} (nfs.exports) cannot be read: ${reason}`;
    throw new AshlarError('not-found', sentence, { path }, error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

type Places = {
  readonly catalogue: Pick<Catalogue, 'volumes'>;
  /** Of the server: what lies in it is nobody's to change. */
  readonly dataDirectory: string;
};

/** What a line's path stands for: a file volume has a path of one name, and what is none is a directory of the machine. Throws `invalid`. */
function sourceOf(
  path: string,
  volumes: Volumes,
  { dataDirectory }: Places,
  directories: Set<string>,
): Export['source'] {
  const volume = volumes.get(path.slice(1));
  if (volume?.type === 'file') return { kind: 'volume', uuid: volume.uuid };
  try {
    if (!directories.has(path)) checkExportedDirectory(path, dataDirectory);
    directories.add(path);
    return { kind: 'uri', uri: directoryUri(path) };
  } catch (error) {
    if (!(error instanceof AshlarError)) throw error;
    if (error.kind !== 'not-found') throw new AshlarError('invalid', error.message, {}, error);
    const what = volume === undefined ? 'there is no file volume' : 'a disk and no file volume is';
    throw new AshlarError('invalid', `${what} '${path.slice(1)}', and no directory ${path}, to be exported`);
  }
}

/** What a file says is exported over NFS, to whom and by which rules: in place of exports of the same names. */
export class ExportsFile {
  readonly #places: Places;
  #read: Read | undefined;

  /** Throws as `readExportsFile`. A path that is neither a file volume nor a directory is passed over until it is one. */
  constructor(path: string | undefined, places: Places) {
    this.#places = places;
    this.#read = path === undefined ? undefined : readExportsFile(path);
  }

  /**
   * Reads what holds once the function that it gives was called. Throws as `readExportsFile`, and `invalid` for a path that can
   * not be exported: what held still holds.
   */
  prepare(path: string | undefined): () => void {
    const read = path === undefined ? undefined : readExportsFile(path);
    const [fault] = this.#faults(read);
    if (fault !== undefined) throw fault;
    return () => {
      this.#read = read;
    };
  }

  /** Of lines that export nothing now. */
  faults(): readonly AshlarError[] {
    return this.#faults(this.#read);
  }

  exports(): readonly Export[] {
    const read = this.#read;
    if (read === undefined) return [];
    return this.#sources(read).flatMap(({ line, source }) => {
      if (source instanceof AshlarError) return [];
      const clients = keptClients(line.clients);
      const rules = { readOnly: false, allow: [], nfs: ownRules, clients };
      return { name: nameOf(line), source, over: ['nfs'], ...rules, created: read.modified };
    });
  }

  /** The line that an export of this name is of, such as `/etc/exports:3`; nothing where there is none. */
  placeOf(name: string): string | undefined {
    const line = this.#read?.lines.find((each) => nameOf(each) === name);
    return line === undefined ? undefined : `${this.#read!.path}:${line.line}`;
  }

  #faults(read: Read | undefined): AshlarError[] {
    if (read === undefined) return [];
    return this.#sources(read).flatMap(({ source }) => (source instanceof AshlarError ? source : []));
  }

  #sources(read: Read): { readonly line: ExportLine; readonly source: Export['source'] | AshlarError }[] {
    const volumes = new Map(this.#places.catalogue.volumes().map((volume) => [volume.name, volume]));
    return read.lines.map((line) => {
      try {
        return { line, source: sourceOf(line.path, volumes, this.#places, read.directories) };
      } catch (error) {
        if (!(error instanceof AshlarError)) throw error;
        const sentence = `${read.path} (nfs.exports): line ${line.line} of the exports: ${error.message}`;
        return { line, source: new AshlarError('invalid', sentence) };
      }
    });
  }
}

/** Exports have names where paths have a slash in front. */
const nameOf = ({ path }: ExportLine): string => path.slice(1);
