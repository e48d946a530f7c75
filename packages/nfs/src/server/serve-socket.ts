import { createServer, type Server, type Socket } from 'node:net';
import { FairQueue, type Flow, type StreamPeer } from '@ashlar/core';
import { DuplexStream, sessionMemory, type SessionMemory } from '@ashlar/wire';
import type { NfsService } from './call.ts';
import { mostAnswerBytes, writeDataOffset } from './nfs-procedures.ts';
import { listeningAt, nfsPrograms } from './nfs-programs.ts';
import { Programs, type Program } from './programs.ts';
import { RpcSession } from './rpc-session.ts';

/** Serves from one process, without workers: for tests and small uses. The caller listens and closes. */
export function createNfsServer(service: NfsService): Server {
  const memory = sessionMemory();
  const queue = new FairQueue();
  const server = createServer((socket) => {
    socket.setNoDelay();
    serve(socket, programs, memory, queue.flow());
  });
  const port = (): number => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  };
  const listening = () => listeningAt(port(), undefined, false);
  const programs = nfsPrograms({ service, memory, listening });
  return server;
}

function serve(socket: Socket, programs: ReadonlyMap<number, Program>, memory: SessionMemory, flow: Flow): void {
  const peer: StreamPeer = { address: socket.remoteAddress ?? 'unix', port: socket.remotePort ?? 0 };
  const own = new Programs(programs);
  const session = new RpcSession({
    stream: new DuplexStream(socket, peer),
    memory,
    serve: (call) => own.serve(call),
    dataOffset: writeDataOffset,
    answerBytes: mostAnswerBytes,
    flow,
    onEnd: () => socket.destroy(),
  });
  session.start();
}
