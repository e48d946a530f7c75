import { AshlarError, assert, mostFileHandleBytes, type FileHandle } from '@ashlar/core';
import { sipHash } from './siphash.ts';

/** A handle as clients have it: at least as long as those of MOUNT version 1, which all have 32 bytes. */
const leastBytes = 32;
const headBytes = 12;
const hashBytes = 8;
const version = 1;

/** What a handle of a client names: a file of the tree that has the file system's number. */
export type DecodedHandle = { readonly fileSystem: bigint; readonly file: FileHandle };

/**
 * Handles of files of any tree: version u8, length of the tree's own handle u8, u16 0, the file system u64; the tree's handle; zeros up to 24 bytes; a hash
 * over all of that with a key of the server, so that a handle that was guessed opens nothing. At most 56 bytes, the same as long as the key is.
 */
export class HandleCodec {
  readonly #key: Buffer;
  /** The last handle that was seen to be one of ours: calls of one file or directory come one behind the other. */
  readonly #seen = Buffer.alloc(headBytes + mostFileHandleBytes + hashBytes);
  #seenBytes = 0;
  readonly #encodedFileSystem = Buffer.alloc(8);
  #fileSystem = 0n;

  /** `key`: 16 bytes, which outlive the process. */
  constructor(key: Uint8Array) {
    assert(key.length === 16, 'a key has 16 bytes');
    this.#key = Buffer.from(key);
  }

  encode(fileSystem: bigint, file: FileHandle): Buffer {
    assert(file.length <= mostFileHandleBytes, 'a handle of a tree is within its bound');
    const bytes = Buffer.allocUnsafe(Math.max(leastBytes, headBytes + file.length + hashBytes));
    const end = bytes.length - hashBytes;
    bytes.writeUInt32BE(version * 2 ** 24 + file.length * 2 ** 16, 0);
    bytes.set(this.#fileSystemBytes(fileSystem), 4);
    bytes.set(file, headBytes);
    for (let at = headBytes + file.length; at < end; at += 1) bytes[at] = 0;
    sipHash(this.#key, bytes, end, bytes, end);
    return bytes;
  }

  /** Throws `bad-handle` for what was never given. */
  decode(handle: Uint8Array): DecodedHandle {
    const bytes = Buffer.from(handle.buffer, handle.byteOffset, handle.length);
    const length = bytes[1] ?? 0;
    const isWhole =
      bytes[0] === version &&
      bytes.length === Math.max(leastBytes, headBytes + length + hashBytes) &&
      length <= mostFileHandleBytes;
    if (!isWhole || !this.#isOurs(bytes)) throw new AshlarError('bad-handle', 'a handle is none that was given here');
    return { fileSystem: bytes.readBigUInt64BE(4), file: bytes.subarray(headBytes, headBytes + length) };
  }

  /** Most handles are of the file system of the one before. */
  #fileSystemBytes(fileSystem: bigint): Buffer {
    if (fileSystem !== this.#fileSystem) {
      this.#fileSystem = fileSystem;
      this.#encodedFileSystem.writeBigUInt64BE(fileSystem);
    }
    return this.#encodedFileSystem;
  }

  #isOurs(bytes: Buffer): boolean {
    if (bytes.length === this.#seenBytes && this.#seen.compare(bytes, 0, bytes.length, 0, bytes.length) === 0)
      return true;
    const end = bytes.length - hashBytes;
    sipHash(this.#key, bytes, end, scratch, 0);
    if (scratch.compare(bytes, end) !== 0) return false;
    this.#seen.set(bytes);
    this.#seenBytes = bytes.length;
    return true;
  }
}

const scratch = Buffer.alloc(hashBytes);
