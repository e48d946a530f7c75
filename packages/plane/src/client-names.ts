import { lookup, lookupService } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Clock, Scheduler } from '@ashlar/core';
import { plainAddress } from '@ashlar/nfs';
import { Lookups } from './lookups.ts';

/** What the network says of names, by whatever this machine asks (nsswitch.conf). */
export type NameResolver = {
  /** The names of an address. Rejects where there are none. */
  readonly namesOf: (address: string) => Promise<readonly string[]>;
  /** The addresses of a name. Rejects where there are none. */
  readonly addressesOf: (name: string) => Promise<readonly string[]>;
};

/** An address may have any number of names. */
const mostNames = 16;

export const systemResolver: NameResolver = {
  namesOf: async (address) => {
    const { hostname } = await lookupService(address, 0);
    // What has no name is told by its own digits.
    return isIP(hostname) === 0 ? [hostname] : [];
  },
  addressesOf: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
};

type ClientNamesParts = {
  readonly resolver: NameResolver;
  /** Names that something is exported to: an address may be theirs, and have another name itself. */
  readonly hosts: () => readonly string[];
  readonly clock: Clock;
  readonly scheduler: Scheduler;
};

/** Names that lead to the addresses of clients: nobody else's, whatever an address says that its name is. */
export class ClientNames {
  readonly #parts: ClientNamesParts;
  readonly #names: Lookups<string, readonly string[]>;
  #hosts = '';

  constructor(parts: ClientNamesParts) {
    this.#parts = parts;
    const { clock, scheduler } = parts;
    this.#names = new Lookups({ find: (address) => this.#find(address), nothing: [], clock, scheduler });
  }

  /** Nothing while they are looked up. */
  of(address: string): readonly string[] | undefined {
    return isIP(address) === 0 ? noNames : this.#names.of(address);
  }

  /** Settles when `of` has something; nothing where it has already. */
  ready(address: string): Promise<unknown> | undefined {
    return this.of(address) === undefined ? this.#names.ready(address) : undefined;
  }

  /** Something else may be exported: other hosts are other names. */
  exported(): void {
    const hosts = this.#parts.hosts().join();
    if (hosts !== this.#hosts) this.#names.forget();
    this.#hosts = hosts;
  }

  async #find(address: string): Promise<readonly string[]> {
    const { hosts, resolver } = this.#parts;
    const said = await resolver.namesOf(address).catch(() => noNames);
    const names: string[] = [];
    for (const name of new Set([...said.slice(0, mostNames), ...hosts()])) {
      const addresses = await resolver.addressesOf(name).catch(() => noNames);
      if (addresses.some((each) => plainAddress(each) === address)) names.push(name);
    }
    return names;
  }
}

const noNames: readonly string[] = [];
