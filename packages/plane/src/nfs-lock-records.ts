import type { ObjectStore } from '@ashlar/core';
import type { LockClients } from '@ashlar/nfs';

type Records = Pick<ObjectStore, 'commit' | 'getRecord' | 'scanRecords'>;

/** Outside of the catalogue's keys. */
const prefix = 'x-nfs-locker/';
const stateKey = Buffer.from('x-nfs-state');
const mostClients = 10_000;

/** Clients that have locks, and how often the server was started: in the pool's system store. */
export class NfsLockRecords implements LockClients {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  async add(address: string): Promise<void> {
    await this.#records.commit([{ key: Buffer.from(prefix + address), value: new Uint8Array(0) }], true);
  }

  async remove(address: string): Promise<void> {
    await this.#records.commit([{ key: Buffer.from(prefix + address), value: null }], false);
  }

  async all(): Promise<string[]> {
    const found = await this.#records.scanRecords(Buffer.from(prefix), Buffer.from('x-nfs-locker0'), mostClients);
    return found.map(({ key }) => Buffer.from(key).toString().slice(prefix.length));
  }

  /** The state of this machine for others: odd, and larger than at any start before. */
  async nextState(): Promise<number> {
    const before = await this.#records.getRecord(stateKey);
    const state = before === undefined ? 1 : (Buffer.from(before).readUInt32BE() + 2) & 0x7fff_ffff;
    const value = Buffer.alloc(4);
    value.writeUInt32BE(state);
    await this.#records.commit([{ key: stateKey, value }], true);
    return state;
  }
}
