import type { Server as SocketServer, Socket } from 'node:net';
import { AshlarError, errorKindOf } from '@ashlar/core';
import { takeSocket } from '@ashlar/host';
import type { NfsGrant, Plane } from '@ashlar/plane';
import { AddressRanges, isLoopback } from '@ashlar/volume';
import type { Logger } from 'pino';
import type { Config } from './config/schema.ts';
import { createSocketServer, listenTcp, stopListening } from './process/listen.ts';

type NfsFrontOptions = {
  readonly config: () => Config;
  readonly plane: Plane;
  readonly logger: Logger;
  /** What is exported now. */
  readonly grants: () => readonly NfsGrant[];
};

/** Where every machine's port mapper is. */
const portmapPort = 111;

/**
 * Accepts NFS connections and hands each over to the data plane as it is. It listens from when something is exported over NFS
 * on: a server of disks alone has no such port.
 */
export class NfsFront {
  readonly #options: NfsFrontOptions;
  readonly #listeners: SocketServer[] = [];
  readonly #withdrawn = new Set<string>();
  #addresses: { readonly host: string; readonly port: number }[] = [];
  #attached = 0;
  #nextId = 1;
  #allow = new AddressRanges([]);
  #opening: Promise<void> | undefined;

  constructor(options: NfsFrontOptions) {
    this.#options = options;
    this.prepare(options.config());
  }

  /** Takes over what is kept of a configuration. */
  prepare({ nfs }: Config): void {
    const { accessLog, allow, manageGids } = nfs;
    this.#allow = new AddressRanges(allow);
    // A worker that is gone ends the process.
    this.#options.plane.setNfsOptions({ accessLog, manageGids }).catch(() => undefined);
  }

  /** Where it listens; nothing before something is exported. */
  get addresses(): readonly { readonly host: string; readonly port: number }[] {
    return this.#addresses;
  }

  /** Exports what there is to export now, and nothing else. */
  async offer(): Promise<void> {
    const { grants, plane } = this.#options;
    const offered = grants().map((grant) =>
      grant.source.kind === 'volume' && this.#withdrawn.has(grant.source.uuid)
        ? { ...grant, isWithdrawn: true }
        : grant,
    );
    // First, so that nobody who comes back behind a restart finds less than there was.
    await plane.offerTrees(offered);
    if (offered.length > 0) await this.open();
  }

  /** The same where it was offered before; what goes wrong is logged. */
  async offerAgain(): Promise<void> {
    try {
      await this.offer();
    } catch (error) {
      if (!(error instanceof AshlarError)) throw error;
      this.#options.logger.warn({ reason: error.message }, 'what is exported over NFS stays as it was');
    }
  }

  /** Does something while a volume is not offered and nobody is in the middle of using it. */
  async without(volumeUuid: string, run: () => Promise<unknown>): Promise<void> {
    this.#withdrawn.add(volumeUuid);
    try {
      await this.offer();
      await run();
    } finally {
      this.#withdrawn.delete(volumeUuid);
      await this.offer();
    }
  }

  /** Listens, where it does not yet. Throws `busy`, `denied`. */
  open(): Promise<void> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined;
      this.close();
      throw error;
    });
    return this.#opening;
  }

  /** A connection that was handed over ended. */
  ended(): void {
    this.#attached -= 1;
  }

  /** Accepts nobody any more; what was handed over is not touched. */
  close(): void {
    for (const listener of this.#listeners.splice(0)) stopListening(listener);
    this.#addresses = [];
  }

  async #open(): Promise<void> {
    const { listen, nfs } = this.#options.config();
    const beyond = listen.find((address) => !isLoopback(address));
    if (beyond !== undefined && nfs.allow.length === 0) {
      throw new AshlarError(
        'denied',
        `listening for NFS on ${beyond} needs an access rule: set nfs.allow to the addresses that may connect, such as ["10.0.0.0/8"]`,
      );
    }
    let { port } = nfs;
    const addresses: { host: string; port: number }[] = [];
    for (const host of listen) {
      port = await listenTcp(this.#listener(), host, port, 'nfs.port');
      addresses.push({ host, port });
    }
    const portmapper = nfs.portmapper && nfs.port !== 0 ? await this.#portmapper(listen) : 'none';
    const isRegistered = await this.#options.plane.openNfs({ hosts: listen, port, portmapper });
    this.#addresses = addresses;
    const told = portmapper === 'own' ? 'here' : isRegistered ? 'by the port mapper of this machine' : 'by nobody';
    this.#options.logger.info({ port, told }, 'NFS is listened for');
  }

  /** Listens at the port mapper's port as well, where that is free and may be. */
  async #portmapper(hosts: readonly string[]): Promise<'own' | 'other' | 'none'> {
    const listeners = hosts.map(() => this.#listener());
    try {
      for (const [at, host] of hosts.entries()) await listenTcp(listeners[at]!, host, portmapPort, 'nfs.portmapper');
      return 'own';
    } catch (error) {
      for (const listener of listeners) {
        this.#listeners.splice(this.#listeners.indexOf(listener), 1);
        stopListening(listener);
      }
      return errorKindOf(error) === 'busy' ? 'other' : 'none';
    }
  }

  #listener(): SocketServer {
    const listener = createSocketServer((socket) => this.#accept(socket));
    listener.once('listening', () => {
      listener.on('error', (error) => this.#options.logger.error({ error }, 'accepting NFS connections failed'));
    });
    this.#listeners.push(listener);
    return listener;
  }

  #accept(socket: Socket): void {
    const { config, logger, plane } = this.#options;
    const address = socket.remoteAddress ?? '';
    const refusal = this.#refusal(address, config().nfs.maxConnections);
    if (refusal !== undefined) {
      logger.warn({ peer: address }, refusal);
      socket.on('error', () => undefined).destroy();
      return;
    }
    this.#attached += 1;
    const id = this.#nextId++;
    try {
      const accepted = takeSocket(socket);
      // A worker that is gone ends the process.
      plane.adoptNfs(id, accepted).catch(() => undefined);
    } catch (error) {
      // It was gone before it was taken.
      this.#attached -= 1;
      logger.debug({ peer: address, reason: (error as Error).message }, 'an NFS connection ended at once');
    } finally {
      socket.on('error', () => undefined).destroy();
    }
  }

  #refusal(address: string, mostConnections: number): string | undefined {
    if (!isLoopback(address) && !this.#allow.has(address)) {
      return 'a connection was refused: nfs.allow does not name its address';
    }
    if (this.#attached < mostConnections) return undefined;
    return `a connection was refused: there are ${mostConnections} already (nfs.max-connections)`;
  }
}
