import { connect, Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { ConnectionEnded, Failed } from './outcome.ts';
import type { Address, TlsMaterial } from './target.ts';

/** Above what is waited for, this many bytes are taken from the socket before it is paused. */
const readAhead = 2 ** 18;

/** What is longer is written in pieces, each a step forward. */
const pieceBytes = 2 ** 18;

function tlsOptions(material: TlsMaterial): ConnectionOptions {
  const { preSharedKey } = material;
  if (preSharedKey !== undefined) {
    return {
      // Node offers pre-shared keys in TLS 1.2 only.
      ciphers: 'PSK',
      maxVersion: 'TLSv1.2',
      pskCallback: () => ({ psk: preSharedKey.key, identity: preSharedKey.identity }),
      checkServerIdentity: () => undefined,
    };
  }
  return {
    ...(material.authority === undefined ? {} : { ca: material.authority }),
    ...(material.certificate === undefined ? {} : { cert: material.certificate }),
    ...(material.key === undefined ? {} : { key: material.key }),
    ...(/^[\d.]+$|:/.test(material.serverName) ? {} : { servername: material.serverName }),
    rejectUnauthorized: material.verify,
  };
}

const attempt = (address: Address): Promise<Socket | NodeJS.ErrnoException> =>
  new Promise((resolve) => {
    const socket = connect({ ...address, allowHalfOpen: true, noDelay: true });
    socket.once('error', resolve);
    socket.once('connect', () => {
      socket.off('error', resolve);
      resolve(socket);
    });
  });

/**
 * One connection and nothing but bytes. Errors of the socket count as the end of the connection, as a server may end
 * it in any way; a write to a connection that has ended is dropped, for the next read tells.
 */
export class RawConnection {
  #socket: Socket;
  #pieces: Buffer[] = [];
  #held = 0;
  #wanted = 0;
  #ended = false;
  #reason = 'the server closed the connection';
  #wake: (() => void) | undefined;
  /** What is being waited for; the runner tells it when nothing comes. */
  waitingFor = 'nothing';
  /** Grows with all that the server and the system take and give. */
  steps = 1;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#attach(socket);
  }

  /** Resolves when connected; throws Failed with the system's words. `isWanted` is asked before each attempt. */
  static async open(address: Address, isWanted: () => boolean): Promise<RawConnection> {
    for (;;) {
      const found = await attempt(address);
      if (found instanceof Socket) return new RawConnection(found);
      // A Unix socket whose queue of connections is full says so at once; over TCP the system would try again itself.
      if (found.code !== 'EAGAIN' || !isWanted()) throw new Failed(`cannot connect: ${found.message}`);
      await setTimeout(5);
    }
  }

  #attach(socket: Socket): void {
    const end = (reason?: string): void => {
      if (!this.#ended && reason !== undefined) this.#reason = reason;
      this.#ended = true;
      this.steps += 1;
      this.#wake?.();
    };
    socket.on('data', (bytes: Buffer) => {
      this.steps += 1;
      this.#pieces.push(bytes);
      this.#held += bytes.length;
      if (this.#held > this.#wanted + readAhead) socket.pause();
      if (this.#held >= this.#wanted) this.#wake?.();
    });
    socket.on('end', () => end());
    socket.on('close', () => end());
    socket.on('error', (error) => end(`the connection broke: ${error.message}`));
  }

  /** Resolves when the bytes are on their way to the system, or dropped as the connection has ended. */
  async write(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; at += pieceBytes) await this.#writePiece(bytes.subarray(at, at + pieceBytes));
  }

  #writePiece(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      if (this.#socket.destroyed || !this.#socket.writable) resolve();
      else {
        this.#socket.write(bytes, () => {
          this.steps += 1;
          resolve();
        });
      }
    });
  }

  /** One write for each byte, each given to the system before the next. */
  async writeSlowly(bytes: Buffer): Promise<void> {
    for (let index = 0; index < bytes.length; index++) await this.write(bytes.subarray(index, index + 1));
  }

  /** Exactly `length` bytes. `what` says in words what they are. Throws ConnectionEnded. */
  async read(length: number, what: string): Promise<Buffer> {
    this.waitingFor = what;
    await this.#until(length);
    if (this.#held < length) {
      throw new ConnectionEnded(`${this.#reason} where ${what} was expected (${this.#held} of ${length} bytes came)`);
    }
    this.waitingFor = 'nothing';
    return this.#take(length);
  }

  /** Whether the connection ended; false as soon as it has sent at least one more byte. */
  async ends(): Promise<boolean> {
    this.waitingFor = 'the server to close the connection';
    await this.#until(1);
    this.waitingFor = 'nothing';
    return this.#held === 0;
  }

  /** Reads and forgets whatever comes until the server closes. Throws Failed after `limit` bytes. */
  async drain(limit: number): Promise<void> {
    this.waitingFor = 'the server to close the connection';
    for (let total = 0; ;) {
      await this.#until(1);
      if (this.#held === 0) break;
      total += this.#held;
      this.#take(this.#held);
      if (total > limit) throw new Failed(`the server sent ${total} bytes where it should have closed`);
    }
    this.waitingFor = 'nothing';
  }

  async #until(length: number): Promise<void> {
    this.#wanted = length;
    while (this.#held < length && !this.#ended) {
      this.#socket.resume();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    this.#wanted = 0;
  }

  #take(length: number): Buffer {
    const all = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces, this.#held);
    const rest = all.subarray(length);
    this.#pieces = rest.length === 0 ? [] : [rest];
    this.#held = rest.length;
    return all.subarray(0, length);
  }

  /** Bytes that have come and were not read. */
  get unread(): number {
    return this.#held;
  }

  get tlsVersion(): string | undefined {
    return 'getProtocol' in this.#socket ? ((this.#socket as TLSSocket).getProtocol() ?? undefined) : undefined;
  }

  /** Upgrades to TLS. Throws Failed with the library's words; `extra` narrows what is offered. */
  async startTls(material: TlsMaterial, extra: ConnectionOptions = {}): Promise<void> {
    const plain = this.#socket;
    plain.removeAllListeners('data');
    plain.removeAllListeners('end');
    plain.removeAllListeners('close');
    this.waitingFor = 'the TLS handshake';
    const socket = connectTls({ ...tlsOptions(material), ...extra, socket: plain });
    await new Promise<void>((resolve, reject) => {
      const broken = (error: Error): void => reject(new Failed(`the TLS handshake failed: ${error.message}`));
      socket.once('error', broken);
      socket.once('close', () => reject(new Failed('the server closed the connection in the TLS handshake')));
      socket.once('secureConnect', () => {
        socket.off('error', broken);
        resolve();
      });
    });
    this.#socket = socket;
    this.steps += 1;
    this.#attach(socket);
    this.waitingFor = 'nothing';
  }

  /** Tells the server that nothing more will be sent; what it sends can still be read. */
  halfClose(): void {
    this.#socket.end();
  }

  /** Ends the connection by a reset rather than by an orderly close, where the transport is TCP. */
  reset(): void {
    if (this.#socket.remotePort === undefined || 'getProtocol' in this.#socket) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  close(): void {
    this.#socket.destroy();
  }
}
