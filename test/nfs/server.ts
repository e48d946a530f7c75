import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import { AshlarError, type FileHandle, type FileTree } from '@ashlar/core';
import { connectRpc, createNfsServer, HandleCodec, NfsClient, type NfsExport, type NfsService } from '@ashlar/nfs';
import { MemoryObjectStore, SeededRandom, systemTime } from '@ashlar/testing';
import { makeTree, openObjectTree } from '@ashlar/tree';
import type { AuthSys } from '@ashlar/wire';
import type { ExecutionContext } from 'ava';

export const user: AuthSys = { stamp: 1, machine: 'vm', uid: 1000, gid: 100, gids: [200] };
export const root: AuthSys = { stamp: 1, machine: 'vm', uid: 0, gid: 0, gids: [] };

const fileSystem = 77n;
const handles = new HandleCodec(Buffer.alloc(16, 3));

export type Served = {
  readonly server: Server;
  readonly port: number;
  readonly store: MemoryObjectStore;
  readonly tree: FileTree;
  connect(sys?: AuthSys): Promise<NfsClient>;
  /** As clients have it that may look it up. */
  handleOf(file: FileHandle): Uint8Array;
};

/** A tree that is exported as `/data`, to everybody, with nobody squashed. */
export async function serveTree(
  t: ExecutionContext,
  change: Partial<NfsExport> = {},
  store = new MemoryObjectStore(),
): Promise<Served> {
  const seams = { clock: systemTime, random: new SeededRandom(7) };
  if ((await store.getRecord(Buffer.of(0))) === undefined) {
    await makeTree(store, store.object, seams, { uid: 0, gid: 0, mode: 0o777 });
  }
  const tree = await openObjectTree(store, { ...seams, room: () => ({ totalBytes: 2 ** 40, freeBytes: 2 ** 39 }) });
  const exported: NfsExport = {
    path: '/data',
    fileSystem,
    tree,
    readOnly: false,
    sync: true,
    squash: { who: 'none', anonymousUid: 65_534, anonymousGid: 65_534 },
    acls: true,
    ...change,
  };
  const server = createNfsServer(serviceOf(exported));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  t.teardown(async () => {
    server.close();
    await tree.close();
  });
  const clients: NfsClient[] = [];
  t.teardown(() => clients.forEach((client) => client.close()));
  return {
    server,
    port,
    store,
    tree,
    handleOf: (file) => handles.encode(fileSystem, file),
    async connect(sys = user) {
      const client = new NfsClient(await connectRpc({ host: '127.0.0.1', port }, { sys }));
      clients.push(client);
      return client;
    },
  };
}

/** What is served of one export. */
export function serviceOf(exported: NfsExport): NfsService {
  return {
    handles,
    mostDataBytes: 2 ** 20,
    now: () => Date.now(),
    exports: {
      list: () => [{ path: exported.path, clients: ['*'] }],
      mount(path) {
        if (path !== exported.path && !path.startsWith(`${exported.path}/`)) {
          throw new AshlarError('not-found', `'${path}' is not exported`);
        }
        return { exported, below: path.slice(exported.path.length).split('/').filter(Boolean) };
      },
      find(fileSystem) {
        if (fileSystem === exported.fileSystem) return exported;
        throw new AshlarError('stale', 'the export is gone');
      },
    },
  };
}
