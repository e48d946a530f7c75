import { randomBytes } from 'node:crypto';
import type { AuthSys } from '@ashlar/wire';
import { stability, status } from '../codec/constants.ts';
import { procedures } from '../codec/procedures.ts';
import { nothingSet, type Attributes } from '../codec/types.ts';
import type { Facts } from './facts.ts';
import { Failed, Skipped } from './outcome.ts';
import { RawConnection } from './raw-connection.ts';
import { named, owner, sysOf } from './samples.ts';
import { Session } from './session.ts';
import type { Target } from './target.ts';

/** Where one check is made: a directory of its own, and connections that end with it. */
export class Place {
  readonly target: Target;
  readonly facts: Facts;
  readonly timeoutMs: number;
  /** Of `owner`. */
  readonly session: Session;
  /** Empty, anybody's to write to. */
  readonly directory: Uint8Array;
  readonly #opened: { close(): void }[] = [];

  constructor(target: Target, facts: Facts, session: Session, directory: Uint8Array, timeoutMs: number) {
    this.target = target;
    this.facts = facts;
    this.session = session;
    this.directory = directory;
    this.timeoutMs = timeoutMs;
  }

  /** Another caller, or the same over another connection; nothing: one that does not say who it is. */
  async as(sys: AuthSys | undefined = owner): Promise<Session> {
    const session = await Session.open(this.target.nfs, sys, this.timeoutMs);
    this.#opened.push(session);
    return session;
  }

  /** Root, where the server takes it for root. */
  async root(): Promise<Session> {
    if (this.facts.isRootSquashed) throw new Skipped('root is nobody on this export');
    return this.as(sysOf(0, 0));
  }

  async raw(place = this.target.nfs): Promise<RawConnection> {
    const connection = await RawConnection.open(place, this.timeoutMs);
    this.#opened.push(connection);
    return connection;
  }

  /** Makes a file. */
  async file(name = 'file', data: Uint8Array = Buffer.alloc(0), mode = 0o644): Promise<Uint8Array> {
    const how = { mode: 'guarded', attributes: { ...nothingSet, mode } } as const;
    const handle = await this.made(
      this.session.ok(procedures.create, { directory: this.directory, name: named(name), how }),
      name,
    );
    if (data.length > 0) await this.write(handle, 0, data);
    return handle;
  }

  async makeDirectory(name = 'directory', mode = 0o755, directory = this.directory): Promise<Uint8Array> {
    const attributes = { ...nothingSet, mode };
    return this.made(
      this.session.ok(procedures.makeDirectory, { directory, name: named(name), attributes }),
      name,
      directory,
    );
  }

  /** The handle of what was made: a server need not tell it. */
  async made(
    making: Promise<{ readonly handle: Uint8Array | undefined }>,
    name: string,
    directory = this.directory,
  ): Promise<Uint8Array> {
    const { handle } = await making;
    return handle ?? (await this.session.ok(procedures.lookup, { directory, name: named(name) })).handle;
  }

  async write(handle: Uint8Array, offset: number, data: Uint8Array, how: number = stability.file): Promise<void> {
    const args = { handle, offset, count: data.length, stability: how, data };
    const { count } = await this.session.ok(procedures.write, args);
    if (count !== data.length) throw new Failed(`WRITE of ${data.length} bytes wrote ${count}`);
  }

  async read(handle: Uint8Array, offset = 0, count = 65_536): Promise<Buffer> {
    const { data } = await this.session.ok(procedures.read, { handle, offset, count });
    return Buffer.from(data);
  }

  async attributes(handle: Uint8Array): Promise<Attributes> {
    return (await this.session.ok(procedures.getAttributes, { handle })).attributes;
  }

  async lookup(name: string, directory = this.directory): Promise<Uint8Array> {
    return (await this.session.ok(procedures.lookup, { directory, name: named(name) })).handle;
  }

  async isThere(name: string, directory = this.directory): Promise<boolean> {
    const { status: found } = await this.session.call(procedures.lookup, { directory, name: named(name) });
    if (found === status.ok || found === status.notFound) return found === status.ok;
    throw new Failed(`LOOKUP failed with ${found}`);
  }

  /** All names of a directory but `.` and `..`, in replies of so many bytes. */
  async list(directory = this.directory, count = 8192): Promise<string[]> {
    const names: string[] = [];
    let cookie = 0n;
    let verifier: Uint8Array = Buffer.alloc(8);
    for (let isEnd = false; !isEnd;) {
      const args = { directory, cookie, verifier, count };
      const found = await this.session.ok(procedures.readDirectory, args);
      if (found.entries.length === 0 && !found.isEnd) throw new Failed('READDIR gave neither an entry nor the end');
      for (const entry of found.entries) {
        names.push(Buffer.from(entry.name).toString());
        cookie = entry.cookie;
      }
      ({ isEnd, verifier } = found);
    }
    return names.filter((name) => name !== '.' && name !== '..');
  }

  close(): void {
    for (const each of this.#opened) each.close();
  }
}

export const randomName = (): string => `nfs3-conformance-${randomBytes(6).toString('hex')}`;
