import type { Socket } from 'node:net';
import { AshlarError, AssertionError } from '@ashlar/core';
import { takeSocket } from '@ashlar/host';
import { handshake, type ExportDirectory, type ExportFacts, type HandshakeResult, type TlsMode } from '@ashlar/nbd';
import type { Grant, Plane } from '@ashlar/plane';
import { AddressRanges, isLoopback } from '@ashlar/volume';
import { DuplexStream, type TlsServerSettings } from '@ashlar/wire';
import type { Logger } from 'pino';
import type { Config } from './config/schema.ts';
import type { Grants } from './grants.ts';
import { readTlsSettings } from './tls-files.ts';

/** Connections since the start: accepted, refused before or during the handshake, attached to an export. */
export type ConnectionCounts = { accepted: number; refused: number; attached: number };

type NbdFrontOptions = {
  readonly config: () => Config;
  readonly grants: Grants;
  readonly plane: Plane;
  readonly logger: Logger;
  readonly count: (result: keyof ConnectionCounts) => void;
};

const tlsModes: Readonly<Record<Config['nbd']['tls'], TlsMode>> = { off: 'off', allow: 'offered', require: 'required' };

/**
 * Accepts NBD connections, does their handshakes, and hands each over to the data plane: no byte of a client's data
 * passes through here. Behind STARTTLS the handshake goes on in the data plane.
 */
export class NbdFront {
  readonly #options: NbdFrontOptions;
  readonly #handshaking = new Set<Socket>();
  #attached = 0;
  #nextId = 1;
  #tls: TlsServerSettings | undefined;
  #allow = new AddressRanges([]);

  constructor(options: NbdFrontOptions) {
    this.#options = options;
    this.prepare(options.config());
  }

  /** Takes over what is kept of a configuration. Throws `invalid`, and changes nothing, when the TLS files have faults. */
  prepare({ nbd }: Config): void {
    this.#tls = readTlsSettings(nbd);
    this.#allow = new AddressRanges(nbd.allow);
  }

  accept(socket: Socket): void {
    const { config, count, logger } = this.#options;
    const address = socket.remoteAddress ?? 'unix';
    count('accepted');
    const refusal = this.#refusal(address, config().nbd.maxConnections);
    if (refusal !== undefined) {
      count('refused');
      logger.warn({ peer: address }, refusal);
      socket.on('error', () => undefined).destroy();
      return;
    }
    this.#handshaking.add(socket);
    void this.#serve(socket, address);
  }

  /** A connection that was handed over ended. */
  ended(): void {
    this.#attached -= 1;
  }

  /** Ends the handshakes under way; what was handed over is not touched. */
  close(): void {
    for (const socket of this.#handshaking) socket.destroy();
  }

  #refusal(address: string, mostConnections: number): string | undefined {
    if (address !== 'unix' && !isLoopback(address) && !this.#allow.has(address)) {
      return 'a connection was refused: nbd.allow does not name its address';
    }
    if (this.#handshaking.size + this.#attached < mostConnections) return undefined;
    return `a connection was refused: there are ${mostConnections} already (nbd.max-connections)`;
  }

  async #serve(socket: Socket, address: string): Promise<void> {
    const { config, count, logger } = this.#options;
    const { handshakeSeconds, tls } = config().nbd;
    const peer = { address, port: socket.remotePort ?? 0 };
    const timer = setTimeout(() => socket.destroy(), handshakeSeconds * 1000);
    try {
      const grants = new Map<string, Grant>();
      const stream = new DuplexStream(socket, peer);
      const result = await handshake({ stream, directory: this.#directory(grants), tls: tlsModes[tls] });
      await written(socket);
      stream.release();
      await this.#handOver(socket, result, grants);
    } catch (error) {
      // Only a broken assertion is a bug of ours; whatever else a client or the system does ends this connection alone.
      if (error instanceof AssertionError) throw error;
      count('refused');
      const reason = error instanceof Error ? error.message : String(error);
      logger.debug({ peer: address, reason }, 'a handshake failed');
    } finally {
      clearTimeout(timer);
      this.#handshaking.delete(socket);
      socket.on('error', () => undefined).destroy();
    }
  }

  async #handOver(socket: Socket, result: HandshakeResult, grants: ReadonlyMap<string, Grant>): Promise<void> {
    if (result.kind === 'aborted') return;
    const id = this.#nextId++;
    const accepted = takeSocket(socket);
    // From here on it counts as attached, and no longer as one whose handshake is under way.
    this.#handshaking.delete(socket);
    this.#attached += 1;
    if (result.kind === 'tls') {
      const tls = this.#tls;
      if (tls === undefined) throw new AshlarError('unsupported', 'the server has no TLS');
      const timeoutMs = this.#options.config().nbd.handshakeSeconds * 1000;
      await this.#options.plane.adopt({ kind: 'tls', id, socket: accepted, start: result.start, tls, timeoutMs });
      return;
    }
    const grant = grants.get(result.negotiated.exportName);
    if (grant === undefined) throw new AshlarError('not-found', 'the export went away');
    await this.#options.plane.adopt({ kind: 'ready', id, socket: accepted, negotiated: result.negotiated, grant });
  }

  /** What a client may see; remembers what each name stood for when the client chose it. */
  #directory(found: Map<string, Grant>): ExportDirectory {
    const { grants, plane } = this.#options;
    return {
      list: (peer) => grants.namesFor(peer.address).map((name) => ({ name, description: '' })),
      find: async (name, peer): Promise<ExportFacts | undefined> => {
        const grant = grants.find(name, peer.address);
        if (grant === undefined) return undefined;
        found.set(name, grant);
        const { exportName, mayResize } = grant;
        return { name: exportName, description: '', mayResize, ...(await plane.describe(grant)) };
      },
    };
  }
}

/** Settles when all that was written has left for the system. */
function written(socket: Socket): Promise<void> {
  if (socket.writableLength === 0 || socket.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    socket.once('drain', resolve).once('close', () => resolve());
  });
}
