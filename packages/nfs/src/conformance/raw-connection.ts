import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { authSys, readReply, XdrReader, XdrWriter, type Rejection } from '@ashlar/wire';
import type { RpcPlace } from '../client/connect.ts';
import { Failed } from './outcome.ts';

export type RawCall = {
  readonly xid: number;
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  readonly args?: (writer: XdrWriter) => void;
  /** Of RPC; 2 unless it is said. */
  readonly rpcVersion?: number;
  /** What is sent as a credential, and as a verifier; an AUTH_SYS one of root unless it is said. */
  readonly credential?: { readonly flavor: number; readonly body: Uint8Array };
  readonly verifier?: { readonly flavor: number; readonly body: Uint8Array };
};

const last = 0x8000_0000;

/** The credential of root, as Linux sends it. */
export function rootCredential(uid = 0, gid = 0): { flavor: number; body: Uint8Array } {
  const writer = new XdrWriter();
  authSys.write(writer, { stamp: 1, machine: 'conformance', uid, gid, gids: [] });
  return { flavor: 1, body: Uint8Array.from(writer.bytes()) };
}

/** A call without its record mark. */
export function callBytes(call: RawCall): Buffer {
  const { args, credential = rootCredential(), program, procedure, rpcVersion = 2, verifier, version, xid } = call;
  const writer = new XdrWriter();
  writer.u32(xid).u32(0).u32(rpcVersion).u32(program).u32(version).u32(procedure);
  writer.u32(credential.flavor).opaque(credential.body);
  writer.u32(verifier?.flavor ?? 0).opaque(verifier?.body ?? new Uint8Array(0));
  args?.(writer);
  return Buffer.from(writer.bytes());
}

/** A record of fragments of so many bytes; the last one is marked so. */
export function record(call: Buffer, fragmentBytes = call.length): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < call.length; at += fragmentBytes) {
    const part = call.subarray(at, at + fragmentBytes);
    const head = Buffer.alloc(4);
    head.writeUInt32BE(((at + fragmentBytes >= call.length ? last : 0) | part.length) >>> 0);
    parts.push(head, part);
  }
  return Buffer.concat(parts);
}

export type RawReply = {
  readonly xid: number;
  readonly rejection: Rejection | undefined;
  /** At the results. */
  readonly reader: XdrReader;
  readonly fragments: number;
};

/** A connection of which every byte is the caller's. */
export class RawConnection {
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  #received = Buffer.alloc(0);
  #isOver = false;
  /** Those that wait for something to happen: an answer and an end may be waited for at once. */
  readonly #waiting = new Set<() => void>();

  private constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    socket.on('data', (bytes) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      for (const wake of this.#waiting) wake();
    });
    const over = (): void => {
      this.#isOver = true;
      for (const wake of this.#waiting) wake();
    };
    socket.on('end', over).on('close', over).on('error', over);
  }

  static async open({ host, port }: RpcPlace, timeoutMs: number): Promise<RawConnection> {
    const socket = connect({ host, port, noDelay: true });
    try {
      await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) });
    } catch {
      throw new Failed(`nobody answers at port ${port} of ${host}`);
    }
    return new RawConnection(socket, timeoutMs);
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Settles when all that was sent has left for the system. */
  async sent(): Promise<void> {
    if (this.#socket.writableLength > 0) await Promise.race([once(this.#socket, 'drain'), once(this.#socket, 'close')]);
  }

  /** Nothing is sent any more. */
  end(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }

  /** The next reply; fails where none comes. */
  async reply(): Promise<RawReply> {
    const parts: Buffer[] = [];
    for (;;) {
      const head = await this.#take(4, 'a reply');
      const word = head.readUInt32BE();
      parts.push(await this.#take(word & ~last, 'the rest of a reply'));
      if ((word & last) === 0) continue;
      const reader = new XdrReader(Buffer.concat(parts));
      try {
        return { ...readReply(reader), reader, fragments: parts.length };
      } catch (error) {
        throw new Failed(`what came is no reply: ${(error as Error).message}`);
      }
    }
  }

  /** Settles with whether the server ended the connection within the time. */
  async ends(withinMs = this.#timeoutMs): Promise<boolean> {
    const until = performance.now() + withinMs;
    while (!this.#isOver && performance.now() < until) await this.#more(until - performance.now());
    return this.#isOver;
  }

  async #take(length: number, what: string): Promise<Buffer> {
    const until = performance.now() + this.#timeoutMs;
    while (this.#received.length < length) {
      if (this.#isOver) throw new Failed(`the server ended the connection in place of ${what}`);
      if (performance.now() >= until)
        throw new Failed(`nothing came in ${this.#timeoutMs} ms while waiting for ${what}`);
      await this.#more(until - performance.now());
    }
    const taken = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return taken;
  }

  #more(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, Math.max(0, withinMs));
      this.#waiting.add(wake);
    });
  }
}
