import {
  andThen,
  AshlarError,
  type Credentials,
  type FileAttributes,
  type FileHandle,
  type FileTree,
  type Receipt,
  type Settled,
  type StreamPeer,
} from '@ashlar/core';
import type { AuthSys } from '@ashlar/wire';
import type { Attributes } from '../codec/types.ts';
import { attributesOn } from './convert.ts';
import { credentialsOf, type NfsExport, type NfsExports } from './exports.ts';
import type { HandleCodec } from './handle-codec.ts';

/** What calls of one server share. */
export type NfsService = {
  readonly exports: NfsExports;
  readonly handles: HandleCodec;
  /** Bytes that are read or written at once. */
  readonly mostDataBytes: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
};

/** A file that a call is about, as its caller may use it. */
export type Target = {
  readonly exported: NfsExport;
  readonly tree: FileTree;
  readonly file: FileHandle;
  readonly who: Credentials;
};

/** Of the results of a call, with their status. */
export type ReceiptOf = (results: Uint8Array) => ReturnType<Receipt<unknown>>;

/** One call: who makes it, and what it may reach. */
export class Call {
  readonly service: NfsService;
  readonly peer: StreamPeer;
  readonly #sys: AuthSys | undefined;
  readonly #receiptOf: ReceiptOf | undefined;
  /** Results as they are kept: with their status, and true once what they tell is done. */
  kept: Uint8Array | undefined;

  constructor(service: NfsService, peer: StreamPeer, sys: AuthSys | undefined, receiptOf?: ReceiptOf) {
    this.service = service;
    this.peer = peer;
    this.#sys = sys;
    this.#receiptOf = receiptOf;
  }

  /** Keeps a reply in the same batch as what it tells, where it is asked to. */
  keep<T>(encode: (result: T) => Uint8Array): Receipt<T> | undefined {
    const receiptOf = this.#receiptOf;
    if (receiptOf === undefined) return undefined;
    return (result) => {
      this.kept = encode(result);
      return receiptOf(this.kept);
    };
  }

  /** Throws `bad-handle`, `stale`, `denied`. */
  target(handle: Uint8Array): Target {
    const { file, fileSystem } = this.service.handles.decode(handle);
    const exported = this.service.exports.find(fileSystem, this.peer);
    return { exported, tree: exported.tree, file, who: credentialsOf(this.#sys, exported.squash) };
  }

  /** The same of what is to be changed: throws `read-only`. */
  changing(handle: Uint8Array): Target {
    const target = this.target(handle);
    if (!target.exported.readOnly && !target.tree.readOnly) return target;
    throw new AshlarError('read-only', `'${target.exported.path}' is exported to be read`);
  }

  handleOf({ exported }: Target, file: FileHandle): Buffer {
    return this.service.handles.encode(exported.fileSystem, file);
  }

  /** What a file is now, for a reply that has nothing else to say of it. */
  attributesNow(handle: Uint8Array): Settled<Attributes | undefined> {
    try {
      const { exported, file, tree } = this.target(handle);
      const found = tree.getAttributes(file);
      const converted = andThen(found, (attributes) => attributesOn(exported.fileSystem, attributes));
      return converted instanceof Promise ? converted.catch(() => undefined) : converted;
    } catch {
      // The reply says what was wrong with what was asked for.
      return undefined;
    }
  }
}

export const on = ({ exported }: Target, attributes: FileAttributes): Attributes =>
  attributesOn(exported.fileSystem, attributes);

/** Settles when a change may be answered: where its export says so, it survives a loss of power then. */
export const durably = <T>({ exported, tree }: Target, result: Settled<T>): Settled<T> =>
  exported.sync ? andThen(result, (value) => andThen(tree.sync(), () => value)) : result;
