import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { assert } from '@ashlar/core';

/** What a disk was asked, in order. Positions in a recording are numbers of entries. Offsets and lengths are bytes. */
export type Entry = {
  readonly kind: 'write' | 'flush';
  readonly offset: number;
  readonly length: number;
  /** Where its bytes begin in the recording's data. */
  readonly dataOffset: number;
};

const entryBytes = 24;

/** How many entries a recording has by now. */
export const positionOf = (path: string): number => Math.floor(statSync(`${path}.index`).size / entryBytes);

/** Writes down what a disk is asked, as it comes. What it has written is there for other processes at once. */
export class Recorder {
  readonly #index: number;
  readonly #data: number;
  #dataBytes = 0;

  constructor(path: string) {
    this.#index = openSync(`${path}.index`, 'w');
    this.#data = openSync(`${path}.data`, 'w');
  }

  write(offset: number, bytes: Uint8Array): void {
    assert(writeSync(this.#data, bytes) === bytes.length, 'the recording has room');
    this.#add('write', offset, bytes.length);
    this.#dataBytes += bytes.length;
  }

  flush(): void {
    this.#add('flush', 0, 0);
  }

  #add(kind: Entry['kind'], offset: number, length: number): void {
    const entry = Buffer.alloc(entryBytes);
    entry.writeUInt32LE(kind === 'write' ? 1 : 2, 0);
    entry.writeUInt32LE(length, 4);
    entry.writeDoubleLE(offset, 8);
    entry.writeDoubleLE(this.#dataBytes, 16);
    assert(writeSync(this.#index, entry) === entryBytes, 'the recording has room');
  }
}

/** A recording that has ended, read entry by entry. */
export class Recording {
  readonly length: number;
  readonly #index: number;
  readonly #data: number;

  constructor(path: string) {
    this.length = positionOf(path);
    this.#index = openSync(`${path}.index`, 'r');
    this.#data = openSync(`${path}.data`, 'r');
  }

  entry(position: number): Entry {
    const bytes = Buffer.alloc(entryBytes);
    assert(readSync(this.#index, bytes, 0, entryBytes, position * entryBytes) === entryBytes, 'the entry is there');
    return {
      kind: bytes.readUInt32LE(0) === 1 ? 'write' : 'flush',
      offset: bytes.readDoubleLE(8),
      length: bytes.readUInt32LE(4),
      dataOffset: bytes.readDoubleLE(16),
    };
  }

  bytesOf({ length, dataOffset }: Entry): Uint8Array {
    const bytes = new Uint8Array(length);
    assert(readSync(this.#data, bytes, 0, length, dataOffset) === length, 'the bytes of a write are there');
    return bytes;
  }

  close(): void {
    closeSync(this.#index);
    closeSync(this.#data);
  }
}
