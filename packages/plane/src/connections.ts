import { AshlarError, AssertionError, errorKindOf, type Stream } from '@ashlar/core';
import type { EventLoop } from '@ashlar/host';
import { handshake, TransmissionSession, type ExportDirectory, type Negotiated } from '@ashlar/nbd';
import { acceptTls, duplexOf, type SessionMemory } from '@ashlar/wire';
import type { ControlFunctions } from './control-functions.ts';
import type { Devices, Lease } from './devices.ts';
import type { Adoption, ConnectionInfo, Grant, Selection } from './messages.ts';
import { peerText } from './peer-text.ts';
import type { Remote } from './rpc.ts';

type ConnectionsParts = {
  readonly loop: EventLoop;
  readonly devices: Devices;
  readonly control: Remote<ControlFunctions>;
  readonly memory: SessionMemory;
  /** Milliseconds since 1970. */
  readonly now: () => number;
};

type Connection = {
  readonly info: ConnectionInfo;
  readonly stream: Stream;
  readonly session: TransmissionSession;
};

/** The connections of this worker, from the hand-over to their end. */
export class Connections {
  readonly #parts: ConnectionsParts;
  readonly #attached = new Map<number, Connection>();
  /** Behind STARTTLS, not yet attached. */
  readonly #handshaking = new Map<number, Stream>();
  #closing = false;
  #onEmpty: (() => void) | undefined;

  constructor(parts: ConnectionsParts) {
    this.#parts = parts;
  }

  /** Takes a connection over; whatever becomes of it, its descriptor is closed in the end and `ended` is told once. */
  adopt(adoption: Adoption): void {
    const done = adoption.kind === 'tls' ? this.#adoptTls(adoption) : this.#adoptReady(adoption);
    done.catch((error: unknown) => {
      if (error instanceof AssertionError) throw error;
      const { address } = adoption.socket.peer;
      const reason = error instanceof Error ? error.message : String(error);
      void this.#parts.control.log(
        'info',
        { peer: address, reason, kind: errorKindOf(error) },
        'a connection ended before it was attached',
      );
      void this.#parts.control.ended(adoption.id);
    });
  }

  list(): readonly ConnectionInfo[] {
    return [...this.#attached.values()].map(({ info }) => info);
  }

  /** Ends connections at once; gives how many. */
  disconnect(selection: Selection): number {
    const chosen = [...this.#attached.values()].filter(({ info }) =>
      'id' in selection ? info.id === selection.id : info.exportName === selection.exportName,
    );
    for (const { stream } of chosen) stream.destroy();
    return chosen.length;
  }

  /** Lets each connection finish what it sent; after `timeoutMs` cuts the rest off. Gives how many were cut. */
  async drain(timeoutMs: number): Promise<number> {
    this.#closing = true;
    for (const stream of this.#handshaking.values()) stream.destroy();
    for (const { session } of this.#attached.values()) session.drain();
    if (this.#attached.size === 0) return 0;
    let cut = 0;
    const timer = setTimeout(() => {
      cut = this.#attached.size;
      for (const { stream } of this.#attached.values()) stream.destroy();
    }, timeoutMs);
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    clearTimeout(timer);
    return cut;
  }

  async #adoptReady({ id, socket, negotiated, grant }: Adoption & { kind: 'ready' }): Promise<void> {
    let lease: Lease;
    try {
      lease = await this.#lease(id, grant, socket.peer.address);
    } catch (error) {
      // Whoever owns the descriptor closes it.
      this.#parts.loop.adopt(socket).destroy();
      throw error;
    }
    this.#attach(id, this.#parts.loop.adopt(socket), false, negotiated, grant, lease);
  }

  async #adoptTls(adoption: Adoption & { kind: 'tls' }): Promise<void> {
    const { id, socket, tls, start, timeoutMs } = adoption;
    const plain = this.#parts.loop.adopt(socket);
    this.#handshaking.set(id, plain);
    const timer = setTimeout(() => plain.destroy(), timeoutMs);
    try {
      const stream = await acceptTls(duplexOf(plain), socket.peer, tls);
      const grants = new Map<string, Grant>();
      const result = await handshake({ stream, directory: this.#directory(grants), tls: 'offered', afterTls: start });
      if (result.kind !== 'ready') {
        stream.end();
        throw new AshlarError('closed', 'the client said goodbye');
      }
      const grant = grants.get(result.negotiated.exportName);
      if (grant === undefined) throw new AshlarError('not-found', 'the export went away');
      this.#attach(id, stream, true, result.negotiated, grant, await this.#lease(id, grant, socket.peer.address));
    } catch (error) {
      plain.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
      this.#handshaking.delete(id);
    }
  }

  async #lease(id: number, grant: Grant, address: string): Promise<Lease> {
    const { source, readOnly } = grant;
    if (source.kind === 'volume' && !readOnly) await this.#parts.control.admitWriter(source.uuid, address);
    if (this.#closing) throw new AshlarError('closed', 'the server is stopping');
    return this.#parts.devices.acquire(grant, () => this.#attached.get(id)?.stream.destroy());
  }

  #attach(id: number, stream: Stream, tls: boolean, negotiated: Negotiated, grant: Grant, lease: Lease): void {
    const { peer } = stream;
    const session = new TransmissionSession({
      stream,
      device: lease.device,
      readOnly: grant.readOnly,
      negotiated,
      resize: this.#resizeOf(grant, lease),
      memory: this.#parts.memory,
      flow: lease.flow,
      onEnd: (error) => this.#ended(id, lease, error),
    });
    const sinceMs = this.#parts.now();
    const info = { id, exportName: grant.exportName, peer: peerText(peer), identity: peer.identity, tls, sinceMs };
    this.#attached.set(id, { info, stream, session });
    this.#parts.loop.count(stream);
    void this.#parts.control.attached(id);
    void this.#parts.control.log(
      'info',
      { connection: id, peer: info.peer, export: grant.exportName, tls },
      'attached',
    );
    session.start();
    if (this.#closing) session.drain();
    if (lease.revoked) stream.destroy();
  }

  /** What others still use nobody makes smaller. */
  #resizeOf({ source, mayResize }: Grant, lease: Lease): ((sizeBytes: number) => Promise<void>) | undefined {
    if (!mayResize || source.kind !== 'volume') return undefined;
    return async (sizeBytes) => this.#parts.control.resize(source.uuid, sizeBytes, lease.isOnly);
  }

  #ended(id: number, lease: Lease, error: Error | undefined): void {
    const connection = this.#attached.get(id);
    this.#attached.delete(id);
    const { control } = this.#parts;
    lease.release().catch((failed: Error) => {
      const place = { connection: id, export: connection?.info.exportName, reason: failed.message };
      void control.log('error', place, 'what was exported could not be closed');
    });
    const reason = error === undefined ? {} : { reason: error.message };
    void control.log('info', { connection: id, export: connection?.info.exportName, ...reason }, 'detached');
    void control.ended(id);
    if (this.#attached.size === 0) this.#onEmpty?.();
  }

  /** As the control plane's, for clients that chose TLS first. */
  #directory(found: Map<string, Grant>): ExportDirectory {
    const { control, devices } = this.#parts;
    return {
      list: async (peer) => (await control.namesFor(peer.address)).map((name) => ({ name, description: '' })),
      find: async (wanted, peer) => {
        const grant = await control.find(wanted, peer.address);
        if (grant === undefined) return undefined;
        found.set(wanted, grant);
        const { exportName: name, mayResize } = grant;
        return { name, description: '', mayResize, ...(await devices.describe(grant)) };
      },
    };
  }
}
