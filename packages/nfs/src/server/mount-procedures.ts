import { andThen, AshlarError, type FileHandle, type Settled } from '@ashlar/core';
import { authFlavor, type XdrWriter } from '@ashlar/wire';
import { mountStatus } from '../codec/constants.ts';
import { mount, mountProcedures } from '../codec/mount.ts';
import type { NfsService } from './call.ts';
import { mountStatusOf } from './errors.ts';
import type { NfsExport } from './exports.ts';
import type { Mounts } from './mounts.ts';
import { emptyAnswer, type Caller, type Procedures } from './programs.ts';
import type { Answer } from './rpc-session.ts';

const answer = (write: (writer: XdrWriter) => void): Answer => ({ kind: 'results', write });

/** MOUNT version 3, and version 1, whose handles have 32 bytes. */
export function mountProgram(service: NfsService, mounts: Mounts, version: 1 | 3): Procedures {
  return (procedure, { reader }, caller) => {
    switch (procedure) {
      case mount.number: {
        const { path } = mount.args.read(reader);
        return mounted(service, mounts, version, Buffer.from(path).toString(), caller);
      }
      case mountProcedures.dump.number: {
        const found = mounts.all().map(({ client, path }) => ({ host: Buffer.from(client), path: Buffer.from(path) }));
        return answer((writer) => mountProcedures.dump.result.write(writer, found));
      }
      case mountProcedures.unmount.number: {
        const { path } = mountProcedures.unmount.args.read(reader);
        mounts.remove(caller.peer.address, Buffer.from(path).toString());
        return emptyAnswer;
      }
      case mountProcedures.unmountAll.number:
        mounts.removeAll(caller.peer.address);
        return emptyAnswer;
      case mountProcedures.exports.number: {
        const found = service.exports.list().map(({ clients, path }) => ({
          path: Buffer.from(path),
          groups: clients.map((client) => Buffer.from(client)),
        }));
        return answer((writer) => mountProcedures.exports.result.write(writer, found));
      }
      default:
        return undefined;
    }
  };
}

function mounted(service: NfsService, mounts: Mounts, version: 1 | 3, path: string, { peer }: Caller): Settled<Answer> {
  const failed = (error: unknown): Answer => answer((writer) => void writer.u32(mountStatusOf(error)));
  try {
    const { below, exported } = service.exports.mount(path, peer);
    const found = andThen(walk(exported, exported.tree.root, below), ({ file, fileSystem }): Answer => {
      const handle = service.handles.encode(fileSystem, file);
      if (version === 1 && handle.length !== 32)
        throw new AshlarError('unsupported', 'the handle is too long for version 1');
      mounts.add(peer.address, path);
      return answer((writer) => {
        writer.u32(mountStatus.ok);
        if (version === 1) mount.ok1.write(writer, { handle });
        else mount.ok3.write(writer, { handle, flavors: [authFlavor.sys, authFlavor.none] });
      });
    });
    return found instanceof Promise ? found.catch(failed) : found;
  } catch (error) {
    return failed(error);
  }
}

/** The directory that a path leads to below a root, whoever may go there: only root mounts. */
function walk(
  exported: NfsExport,
  directory: FileHandle,
  below: readonly string[],
): Settled<{ readonly fileSystem: bigint; readonly file: FileHandle }> {
  const { fileSystem, tree } = exported;
  const [name, ...rest] = below;
  if (name === undefined) {
    return andThen(tree.getAttributes(directory), ({ type }) => {
      if (type === 'directory') return { fileSystem, file: directory };
      throw new AshlarError('not-directory', 'only directories are mounted');
    });
  }
  const crossed = exported.cross?.(directory, Buffer.from(name));
  if (crossed !== undefined) return walk(crossed, crossed.tree.root, rest);
  const root = { uid: 0, gid: 0, gids: [] };
  return andThen(tree.lookup(directory, Buffer.from(name), root), ({ file }) => walk(exported, file, rest));
}
