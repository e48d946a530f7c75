import { mountProgram, nfsProgram, nfsVersion } from '../codec/constants.ts';
import { ipProtocol, mapping, mappings, portmapProcedure, portmapProgram } from '../codec/portmap.ts';
import { connectRpc } from '../client/connect.ts';
import type { RpcClient } from '../client/rpc-client.ts';
import { area, rfc1833, type Check } from './check.ts';
import { expect, same, Skipped } from './outcome.ts';
import type { Place } from './place.ts';

const { must } = area('portmap', rfc1833);

async function withPortmap(place: Place, run: (rpc: RpcClient) => Promise<void>): Promise<void> {
  const { portmap } = place.target;
  if (portmap === undefined) throw new Skipped('ports were given: nobody is asked for them');
  const rpc = await connectRpc(portmap, { timeoutMs: place.timeoutMs });
  try {
    await run(rpc);
  } finally {
    rpc.close();
  }
}

async function portOf(
  rpc: RpcClient,
  program: number,
  version: number,
  protocol: number = ipProtocol.tcp,
): Promise<number> {
  const reader = await rpc.call(portmapProgram, 2, portmapProcedure.getPort, (writer) =>
    mapping.write(writer, { program, version, protocol, port: 0 }),
  );
  return reader.u32();
}

export const portmapChecks: readonly Check[] = [
  must('nfs', 'GETPORT tells where NFS version 3 is', 'section 3', (place) =>
    withPortmap(place, async (rpc) =>
      same(await portOf(rpc, nfsProgram, nfsVersion), place.target.nfs.port, 'the port'),
    ),
  ),
  must('mount', 'GETPORT tells where MOUNT version 3 is', 'section 3', (place) =>
    withPortmap(place, async (rpc) => same(await portOf(rpc, mountProgram, 3), place.target.mount.port, 'the port')),
  ),
  must('none', 'GETPORT of what is not there is 0', 'section 3', (place) =>
    withPortmap(place, async (rpc) => same(await portOf(rpc, 399_999, 1), 0, 'the port')),
  ),
  must('dump', 'DUMP has what GETPORT tells', 'section 3', (place) =>
    withPortmap(place, async (rpc) => {
      const reader = await rpc.call(portmapProgram, 2, portmapProcedure.dump, () => undefined);
      const all = mappings.read(reader);
      const isThere = all.some(
        ({ port, program, protocol, version }) =>
          program === nfsProgram &&
          version === nfsVersion &&
          protocol === ipProtocol.tcp &&
          port === place.target.nfs.port,
      );
      expect(isThere, 'NFS version 3 over TCP is not in it');
    }),
  ),
];
