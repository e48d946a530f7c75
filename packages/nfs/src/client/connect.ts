import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { AshlarError } from '@ashlar/core';
import { DuplexStream, type AuthSys } from '@ashlar/wire';
import { ipProtocol, mapping, portmapProcedure, portmapProgram } from '../codec/portmap.ts';
import { RpcClient } from './rpc-client.ts';

export type RpcPlace = { readonly host: string; readonly port: number };

/** Where every machine's port mapper is. */
export const portmapPort = 111;

export type ConnectOptions = {
  readonly sys?: AuthSys | undefined;
  readonly timeoutMs?: number;
  /** Below 1024: what only root may ask for. */
  readonly localPort?: number;
};

/** Connects over TCP. Rejects with `timeout`, and `closed` where nobody listens. */
export async function connectRpc({ host, port }: RpcPlace, options: ConnectOptions = {}): Promise<RpcClient> {
  const { localPort, sys, timeoutMs = 10_000 } = options;
  const socket = connect({ host, port, ...(localPort === undefined ? {} : { localPort }) });
  socket.setNoDelay();
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) });
  } catch (error) {
    socket.destroy();
    const isLate = (error as Error).name === 'AbortError';
    throw new AshlarError(
      isLate ? 'timeout' : 'closed',
      `nobody answers at port ${port} of ${host}`,
      { peer: host },
      error,
    );
  }
  // Another series of numbers than any client before: a server takes one that it knows for a call that came again.
  return new RpcClient(new DuplexStream(socket, { address: host, port }), sys, randomInt(2 ** 32));
}

/** Asks a machine's port mapper where a program listens over TCP; nothing where it does not. Rejects as `connectRpc`. */
export async function portOf(host: string, program: number, version: number): Promise<number | undefined> {
  const rpc = await connectRpc({ host, port: portmapPort });
  try {
    const reader = await rpc.call(portmapProgram, 2, portmapProcedure.getPort, (writer) =>
      mapping.write(writer, { program, version, protocol: ipProtocol.tcp, port: 0 }),
    );
    const port = reader.u32();
    return port === 0 || port > 65_535 ? undefined : port;
  } finally {
    rpc.close();
  }
}
