import { mountProgram, mountStatus } from '../codec/constants.ts';
import { mount, mountProcedures } from '../codec/mount.ts';
import { procedures } from '../codec/procedures.ts';
import { connectRpc } from '../client/connect.ts';
import { RejectedCall, type RpcClient } from '../client/rpc-client.ts';
import { area, rfc1813, type Check } from './check.ts';
import { expect, Failed, same, Skipped } from './outcome.ts';
import type { Place } from './place.ts';
import { sysOf } from './samples.ts';

const { must, should } = area('mount', rfc1813);

async function withMount<T>(place: Place, run: (rpc: RpcClient) => Promise<T>, sys = sysOf(0, 0)): Promise<T> {
  const rpc = await connectRpc(place.target.mount, { sys, timeoutMs: place.timeoutMs });
  try {
    return await run(rpc);
  } finally {
    rpc.close();
  }
}

async function statusOfMount(rpc: RpcClient, path: string | Uint8Array, version = 3) {
  const args = { path: Buffer.from(path) };
  const reader = await rpc.call(mountProgram, version, mount.number, (writer) => mount.args.write(writer, args));
  return { status: reader.u32(), reader };
}

export const mountChecks: readonly Check[] = [
  must('same', 'Who mounts twice gets one handle', 'appendix I, 5.2.1', (place) =>
    withMount(place, async (rpc) => {
      const { reader, status } = await statusOfMount(rpc, place.target.path);
      same(status, mountStatus.ok, 'the status');
      same(mount.ok3.read(reader).handle, place.facts.root, 'the handle');
    }),
  ),
  must('flavors', 'AUTH_SYS is among the flavors that are told', 'appendix I, 5.2.1', async (place) =>
    expect(place.facts.flavors.includes(1), `the flavors are ${place.facts.flavors.join(', ')}`),
  ),
  must('handle-size', 'The handle has 64 bytes at the most', 'section 2.3.3', async (place) => {
    const { length } = place.facts.root;
    expect(length > 0 && length <= 64, `it has ${length}`);
  }),
  must('not-there', 'A path that is not exported is NOENT or ACCES', 'appendix I, 5.2.1', (place) =>
    withMount(place, async (rpc) => {
      const { status } = await statusOfMount(rpc, '/no/such/path/of/any/export');
      const isRefused = status === mountStatus.notFound || status === mountStatus.access;
      expect(isRefused, `it is ${status}`);
    }),
  ),
  must(
    'long-path',
    'A path of 1024 bytes is refused, and longer ones are GARBAGE_ARGS or refused',
    'appendix I, 5.1.4',
    (place) =>
      withMount(place, async (rpc) => {
        const { status } = await statusOfMount(rpc, `/${'x'.repeat(1023)}`);
        expect(status !== mountStatus.ok, 'it was mounted');
        const args = { path: Buffer.alloc(1025, 'x') };
        try {
          const reader = await rpc.call(mountProgram, 3, mount.number, (writer) => void writer.opaque(args.path));
          expect(reader.u32() !== mountStatus.ok, 'it was mounted');
        } catch (error) {
          if (!(error instanceof RejectedCall) || error.rejection.kind !== 'garbage') throw error;
        }
      }),
  ),
  must('directory-of-file', 'A file is not mounted', 'appendix I, 5.2.1', async (place) => {
    await place.file('file');
    const { path } = place.target;
    await withMount(place, async (rpc) => {
      const { status } = await statusOfMount(rpc, `${path === '/' ? '' : path}/no-directory/..`);
      expect(status !== mountStatus.ok, 'a path that leads upwards from what is not there was mounted');
    });
  }),
  must('exports', 'EXPORT has the path that was mounted, or one above it', 'appendix I, 5.2.5', (place) =>
    withMount(place, async (rpc) => {
      const { exports } = mountProcedures;
      const found = exports.result.read(await rpc.call(mountProgram, 3, exports.number, () => undefined));
      const paths = found.map(({ path }) => Buffer.from(path).toString());
      const isThere = paths.some(
        (each) => each === '/' || place.target.path === each || place.target.path.startsWith(`${each}/`),
      );
      expect(isThere, `it has ${paths.join(', ') || 'nothing'}`);
    }),
  ),
  must('dump', 'DUMP has who mounted', 'appendix I, 5.2.2', (place) =>
    withMount(place, async (rpc) => {
      await statusOfMount(rpc, place.target.path);
      const { dump } = mountProcedures;
      const found = dump.result.read(await rpc.call(mountProgram, 3, dump.number, () => undefined));
      expect(
        found.some(({ path }) => Buffer.from(path).toString() === place.target.path),
        'the path that was mounted is not in it',
      );
    }),
  ),
  must('unmount', 'UMNT is answered, also of what is not mounted', 'appendix I, 5.2.3', (place) =>
    withMount(place, async (rpc) => {
      for (const path of [place.target.path, '/never/mounted']) {
        await rpc.call(mountProgram, 3, mountProcedures.unmount.number, (writer) =>
          mountProcedures.unmount.args.write(writer, { path: Buffer.from(path) }),
        );
      }
    }),
  ),
  must('unmount-all', 'UMNTALL is answered', 'appendix I, 5.2.4', (place) =>
    withMount(place, async (rpc) => {
      await rpc.call(mountProgram, 3, mountProcedures.unmountAll.number, () => undefined);
    }),
  ),
  must('handle-outlives', 'A handle is good behind UMNT', 'appendix I, 5.2.3', async (place) => {
    await withMount(place, (rpc) =>
      rpc.call(mountProgram, 3, mountProcedures.unmount.number, (writer) =>
        mountProcedures.unmount.args.write(writer, { path: Buffer.from(place.target.path) }),
      ),
    );
    await place.session.ok(procedures.getAttributes, { handle: place.facts.root });
  }),
  should('version-1', 'MOUNT version 1 tells of exports as version 3 does', 'appendix I', (place) =>
    withMount(place, async (rpc) => {
      const { exports } = mountProcedures;
      try {
        const found = exports.result.read(await rpc.call(mountProgram, 1, exports.number, () => undefined));
        expect(found.length > 0, 'it has nothing');
      } catch (error) {
        if (error instanceof RejectedCall) throw new Skipped('version 1 is not there');
        if (error instanceof Failed) throw error;
        throw error;
      }
    }),
  ),
];
