import { assert } from '@ashlar/core';
import { LRUCache } from 'lru-cache';

/** Of all clients. */
const mostReplies = 4096;
/** Clients that are told apart at once, many more than there are answers of: behind them it begins anew. */
const mostClients = 2 ** 15;
const procedureBits = 6;
/** Bytes of a call's arguments that are looked at: two that begin alike are of one kind. */
const checkedBytes = 256;

/** A call, as a client that asks again says it. */
export type CallKey = {
  readonly client: string;
  readonly xid: number;
  /** Below 64, and no two of what is called have the same. */
  readonly procedure: number;
  readonly checksum: number;
};

type Kept = {
  readonly checksum: number;
  results: Uint8Array | undefined;
  /** Who asked again while it is being answered: told of the results, or that there are none. */
  readonly waiting: ((results: Uint8Array | undefined) => void)[];
};

/** Of one call: whoever asks more often has an answer coming. */
const mostWaiting = 16;

/** What is known of a call that may have come before. */
export type Earlier =
  | { readonly kind: 'new'; readonly kept: Kept }
  /** It is being answered: settles with the results, or with nothing where there are none to be had. */
  | { readonly kind: 'running'; readonly results: Promise<Uint8Array | undefined> }
  | { readonly kind: 'answered'; readonly results: Uint8Array };

/** Answers of calls that must not be done twice, for clients that ask again, over another connection too (the duplicate request cache). */
export class ReplyCache {
  readonly #kept = new LRUCache<number, Kept>({ max: mostReplies });
  /** Numbers of clients, by their addresses. */
  readonly #clients = new Map<string, number>();

  /** Whether a call came before. */
  find(call: CallKey): Earlier {
    const { checksum } = call;
    const key = this.#keyOf(call);
    const there = this.#kept.get(key);
    if (there?.checksum === checksum) {
      if (there.results !== undefined) return { kind: 'answered', results: there.results };
      return { kind: 'running', results: resultsOf(there) };
    }
    const kept: Kept = { checksum, results: undefined, waiting: [] };
    this.#kept.set(key, kept);
    return { kind: 'new', kept };
  }

  /** It was not answered: it may come again. */
  forget(call: CallKey): void {
    const key = this.#keyOf(call);
    const kept = this.#kept.get(key);
    this.#kept.delete(key);
    for (const tell of kept?.waiting.splice(0) ?? []) tell(undefined);
  }

  /** What it was answered with, from its status on. */
  answered(kept: Kept, results: Uint8Array): void {
    kept.results = results;
    for (const tell of kept.waiting.splice(0)) tell(results);
  }

  /** A number of 53 bits: the client, the xid, and the procedure. */
  #keyOf({ client, procedure, xid }: CallKey): number {
    assert(procedure < 2 ** procedureBits, 'a procedure is one that is known');
    let number = this.#clients.get(client);
    if (number === undefined) {
      if (this.#clients.size >= mostClients) {
        this.#clients.clear();
        this.#kept.clear();
      }
      number = this.#clients.size;
      this.#clients.set(client, number);
    }
    return (number * 2 ** 32 + xid) * 2 ** procedureBits + procedure;
  }
}

function resultsOf(kept: Kept): Promise<Uint8Array | undefined> {
  if (kept.waiting.length >= mostWaiting) return Promise.resolve(undefined);
  return new Promise((resolve) => kept.waiting.push(resolve));
}

/** FNV-1a of how long it is, and how it begins. */
export function checksumOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5 ^ bytes.length;
  for (let at = 0; at < Math.min(bytes.length, checkedBytes); at += 1) {
    hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  }
  return hash >>> 0;
}
