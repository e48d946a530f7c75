import { andThen, AshlarError, type FileTree, type Random, type TreeLimits, type TreeStatistics } from '@ashlar/core';
import { makeLinkAt, makeNodeAt, statFileSystem } from '@ashlar/host';
import { nodeBits } from './attributes.ts';
import { done } from './errors.ts';
import { listDirectory } from './list.ts';
import { accessOf, lookUp, readLinkOf } from './look-up.ts';
import { createFile, makeDirectoryIn, makeNamed } from './make.ts';
import { commitFile, readFile, writeFile } from './read-write.ts';
import { setAttributesOf } from './set-attributes.ts';
import { linkFile, removeName, renameFile } from './take.ts';
import type { TreeState } from './tree-state.ts';

/** Of the text of a symbolic link (PATH_MAX with its zero). */
const mostTextBytes = 4095;
const verifierBytes = 8;

/** A directory of this machine as it is: what other programs do in it is seen at once, and what is done here is seen by them. */
export class DirectoryTree implements FileTree {
  readonly readOnly = false;
  readonly #state: TreeState;
  readonly #random: Random;
  #writeVerifier: Uint8Array;

  constructor(state: TreeState, random: Random) {
    this.#state = state;
    this.#random = random;
    this.#writeVerifier = this.#newVerifier();
  }

  get root(): FileTree['root'] {
    return this.#state.files.root.handle;
  }

  get limits(): TreeLimits {
    return this.#state.limits;
  }

  get writeVerifier(): Uint8Array {
    return this.#writeVerifier;
  }

  /** A sync failed: what was written since the last good one may be lost. */
  readonly failed = (): void => {
    this.#writeVerifier = this.#newVerifier();
  };

  readonly getAttributes: FileTree['getAttributes'] = (file) =>
    andThen(this.#state.files.find(file), (found) => found.attributes());

  readonly setAttributes: FileTree['setAttributes'] = (file, attributes, guard, request) =>
    setAttributesOf(this.#state, file, attributes, guard, request);

  readonly access: FileTree['access'] = (file, wanted, who) => accessOf(this.#state, file, wanted, who);

  readonly lookup: FileTree['lookup'] = (directory, name, who) => lookUp(this.#state, directory, name, who);

  readonly list: FileTree['list'] = (directory, cookie, most, withAttributes, who) =>
    listDirectory(this.#state, directory, cookie, most, withAttributes, who);

  readonly read: FileTree['read'] = (file, offset, into, who) => readFile(this.#state, file, offset, into, who);

  readonly write: FileTree['write'] = (file, offset, from, stability, who) =>
    writeFile(this.#state, file, offset, from, stability, who);

  readonly commit: FileTree['commit'] = (file) => commitFile(this.#state, file);

  readonly readLink: FileTree['readLink'] = (file) => readLinkOf(this.#state, file);

  readonly create: FileTree['create'] = (directory, name, how, request) =>
    createFile(this.#state, directory, name, how, request);

  readonly makeDirectory: FileTree['makeDirectory'] = (directory, name, attributes, request) =>
    makeDirectoryIn(this.#state, directory, name, attributes, request);

  readonly makeLink: FileTree['makeLink'] = (directory, name, text, attributes, request) => {
    if (text.length > mostTextBytes) throw new AshlarError('name-too-long', 'the text of the link is too long');
    if (text.length === 0 || text.includes(0)) throw new AshlarError('invalid', 'a link has no such text');
    const others = { ...attributes, mode: undefined, sizeBytes: undefined };
    return makeNamed(this.#state, directory, name, 'link', others, request, (place) => makeLinkAt(text, place, name));
  };

  readonly makeNode: FileTree['makeNode'] = (directory, name, type, device, attributes, request) => {
    const bits = nodeBits(type);
    if (bits === 0) throw new AshlarError('bad-type', 'files of that type are made in another way');
    const others = { ...attributes, sizeBytes: undefined };
    return makeNamed(this.#state, directory, name, type, others, request, (place, mode) =>
      makeNodeAt(place, name, bits | mode, device),
    );
  };

  readonly link: FileTree['link'] = (file, directory, name, request) =>
    linkFile(this.#state, file, directory, name, request);

  readonly remove: FileTree['remove'] = (directory, name, request) =>
    removeName(this.#state, directory, name, false, request);

  readonly removeDirectory: FileTree['removeDirectory'] = (directory, name, request) =>
    removeName(this.#state, directory, name, true, request);

  readonly rename: FileTree['rename'] = (from, fromName, to, toName, request) =>
    renameFile(this.#state, from, fromName, to, toName, request);

  statistics(): TreeStatistics {
    const { isMemory: _, mostNameBytes: __, ...statistics } = done(statFileSystem(this.#state.files.root.place));
    return statistics;
  }

  /** A change of a file system and a record of ours are in no batch together. */
  receipts(): readonly Uint8Array[] {
    return [];
  }

  readonly sync: FileTree['sync'] = () => this.#state.unsynced.wait();

  async close(): Promise<void> {
    const { files, unsynced } = this.#state;
    try {
      await unsynced.wait();
    } finally {
      unsynced.close();
      await files.close();
    }
  }

  #newVerifier(): Uint8Array {
    const verifier = new Uint8Array(verifierBytes);
    this.#random.fill(verifier);
    return verifier;
  }
}
