import { createServer, type Server, type Socket } from 'node:net';
import { AshlarError, FairQueue, type BlockDevice, type Flow, type Stream, type StreamPeer } from '@ashlar/core';
import { acceptTls, DuplexStream, sessionMemory, type SessionMemory, type TlsServerSettings } from '@ashlar/wire';
import { handshake, type TlsMode } from './handshake.ts';
import type { ExportDirectory } from './negotiation.ts';
import { TransmissionSession } from './transmission.ts';

export type SocketServerOptions = {
  /** `mayResize`: clients may change the device's size. */
  readonly exports: ReadonlyMap<
    string,
    { readonly device: BlockDevice; readonly readOnly?: boolean; readonly mayResize?: boolean }
  >;
  readonly tls?: { readonly mode: TlsMode; readonly settings: TlsServerSettings };
  readonly handshakeTimeoutMs?: number;
};

/** Serves devices from one process, without workers: for tests and small uses. The caller listens and closes. */
export function createNbdServer(options: SocketServerOptions): Server {
  const memory = sessionMemory();
  const queue = new FairQueue();
  const flows = new Map([...options.exports.keys()].map((name) => [name, queue.flow()]));
  return createServer((socket) => {
    socket.setNoDelay();
    serve(socket, options, memory, flows).catch(() => socket.destroy());
  });
}

async function serve(
  socket: Socket,
  options: SocketServerOptions,
  memory: SessionMemory,
  flows: ReadonlyMap<string, Flow>,
): Promise<void> {
  const { tls } = options;
  const peer: StreamPeer = { address: socket.remoteAddress ?? 'unix', port: socket.remotePort ?? 0 };
  const plain = new DuplexStream(socket, peer);
  const directory = directoryOf(options);
  const timer = setTimeout(() => socket.destroy(), options.handshakeTimeoutMs ?? 10_000);
  try {
    let stream: Stream = plain;
    let result = await handshake({ stream, directory, tls: tls?.mode ?? 'off' });
    if (result.kind === 'tls' && tls !== undefined) {
      stream = await acceptTls(plain.release(), peer, tls.settings);
      result = await handshake({ stream, directory, tls: tls.mode, afterTls: result.start });
    }
    if (result.kind !== 'ready') {
      stream.end();
      return;
    }
    const { negotiated } = result;
    const found = options.exports.get(negotiated.exportName);
    const flow = flows.get(negotiated.exportName);
    if (found === undefined || flow === undefined) throw new AshlarError('not-found', 'the export went away');
    const readOnly = found.readOnly ?? false;
    new TransmissionSession({
      stream,
      device: found.device,
      readOnly,
      negotiated,
      resize: found.mayResize === true ? (newBytes) => found.device.resize(newBytes) : undefined,
      memory,
      flow,
      onEnd: () => undefined,
    }).start();
  } finally {
    clearTimeout(timer);
  }
}

function directoryOf({ exports }: SocketServerOptions): ExportDirectory {
  return {
    list: () => [...exports.keys()].map((name) => ({ name, description: '' })),
    find: (name) => {
      const found = exports.get(name);
      if (found === undefined) return undefined;
      const { device, readOnly = false, mayResize = false } = found;
      const { sizeBytes, blockSizes, capabilities } = device;
      const facts = { name, description: '', sizeBytes, blockSizes, capabilities, mayResize };
      return { ...facts, readOnly: readOnly || device.readOnly };
    },
  };
}
