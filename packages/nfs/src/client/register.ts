import { ipProtocol, mapping, portmapProcedure, portmapProgram } from '../codec/portmap.ts';
import type { Listening } from '../server/portmap-procedures.ts';
import { connectRpc, portmapPort } from './connect.ts';
import type { RpcClient } from './rpc-client.ts';

/** A port mapper takes registrations only from this machine's root: from ports below 1024. */
const firstLocalPort = 700;
const lastLocalPort = 1000;

async function withPortmapper(localPort: () => number, run: (rpc: RpcClient) => Promise<void>): Promise<void> {
  const rpc = await connectRpc({ host: '127.0.0.1', port: portmapPort }, { localPort: localPort(), timeoutMs: 2000 });
  try {
    await run(rpc);
  } finally {
    rpc.close();
  }
}

const anyLocalPort = (below: (bound: number) => number) => (): number =>
  firstLocalPort + below(lastLocalPort - firstLocalPort);

/** Has this machine's port mapper tell where these listen. Gives whether it does of all of them. Rejects where there is no port mapper, or it may not be asked. */
export async function registerAll(listening: readonly Listening[], below: (bound: number) => number): Promise<boolean> {
  let isDone = true;
  await withPortmapper(anyLocalPort(below), async (rpc) => {
    // What a server that died left behind is in the way.
    for (const each of registered(listening)) await unset(rpc, each);
    for (const { port, program, protocol, version } of registered(listening)) {
      isDone =
        (await set(rpc, portmapProcedure.set, { program, version, protocol: ipProtocol[protocol], port })) && isDone;
    }
  });
  return isDone;
}

/** They do not listen any more. */
export async function unregisterAll(listening: readonly Listening[], below: (bound: number) => number): Promise<void> {
  await withPortmapper(anyLocalPort(below), async (rpc) => {
    for (const each of registered(listening)) await unset(rpc, each);
  });
}

/** All but the port mapper itself. */
const registered = (listening: readonly Listening[]): Listening[] =>
  listening.filter(({ program }) => program !== portmapProgram);

/** Of all protocols. */
const unset = (rpc: RpcClient, { program, version }: Listening): Promise<boolean> =>
  set(rpc, portmapProcedure.unset, { program, version, protocol: 0, port: 0 });

async function set(
  rpc: RpcClient,
  procedure: number,
  args: { readonly program: number; readonly version: number; readonly protocol: number; readonly port: number },
): Promise<boolean> {
  const reader = await rpc.call(portmapProgram, 2, procedure, (writer) => mapping.write(writer, args));
  return reader.bool();
}
