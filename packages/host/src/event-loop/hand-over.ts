import type { Socket } from 'node:net';
import { AshlarError, type StreamPeer } from '@ashlar/core';
import { duplicate } from '../ffi/descriptor.ts';
import { systemError } from '../real/errors.ts';
import type { AcceptedSocket } from './plain-stream.ts';

/** The part of a net.Socket that knows its descriptor; Node has no public way to it. */
type SocketHandle = { readonly fd: number; readStop(): void };

const nothing = new Uint8Array(0);

function handleOf(socket: Socket): SocketHandle | undefined {
  return (socket as unknown as { readonly _handle: SocketHandle | null })._handle ?? undefined;
}

/**
 * Takes a plain connection away from Node: its descriptor is duplicated, the bytes that were read and not yet consumed
 * are kept, the JavaScript socket is destroyed. What is returned can be posted to another thread, whose `EventLoop`
 * adopts it; whoever has it owns the descriptor. Throws `closed` when the peer is gone already.
 */
export function takeSocket(socket: Socket): AcceptedSocket {
  const handle = handleOf(socket);
  if (handle === undefined || socket.destroyed || handle.fd < 0) {
    throw new AshlarError('closed', 'the peer is gone before its connection could be handed over');
  }
  handle.readStop();
  const kept = socket.read() as Buffer | null;
  const { localAddress: local } = socket;
  const peer: StreamPeer = {
    address: socket.remoteAddress ?? 'unix',
    port: socket.remotePort ?? 0,
    ...(local === undefined ? {} : { local }),
  };
  const descriptor = duplicate(handle.fd);
  if (descriptor < 0) throw systemError(-descriptor, 'duplicate', `the connection of ${peer.address}`);
  // It is of no concern any more how the destroyed half ends.
  socket.on('error', () => undefined);
  socket.destroy();
  return { descriptor, received: kept === null ? nothing : Uint8Array.from(kept), peer };
}
