import type { Server } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { listenTcp, listenUnix } from '../process/listen.ts';

// By `import` it brings Node's whole fetch with it, which costs 50 ms of a processor.
const { createServer } = process.getBuiltinModule('node:http');

/** The admin API's two doors: TCP with the token, and the Unix socket for whoever owns the data directory. */
export type AdminServers = { readonly port: number; close(): Promise<void> };

export async function openAdminServers(
  app: FastifyInstance,
  host: string,
  port: number,
  socketPath: string,
): Promise<AdminServers> {
  const servers: Server[] = [];
  const open = (): Server => {
    const server = createServer((request, response) => app.routing(request, response));
    servers.push(server);
    return server;
  };
  const close = async (): Promise<void> => {
    for (const server of servers) {
      if (!server.listening) continue;
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
    }
    await app.close();
  };
  try {
    await listenUnix(open(), socketPath);
    return { port: await listenTcp(open(), host, port, 'admin.port'), close };
  } catch (error) {
    await close();
    throw error;
  }
}
