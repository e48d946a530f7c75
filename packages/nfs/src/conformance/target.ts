import { portOf, type RpcPlace } from '../client/connect.ts';
import { mountProgram, nfsProgram, nfsVersion } from '../codec/constants.ts';
import { UsageError } from './outcome.ts';

export type Target = {
  readonly nfs: RpcPlace;
  readonly mount: RpcPlace;
  /** Where the port mapper is asked; nothing: nobody is to be asked. */
  readonly portmap: RpcPlace | undefined;
  readonly path: string;
};

/** What the command line says of where things are. */
export type Said = {
  readonly host: string;
  readonly path: string;
  readonly port: number | undefined;
  readonly mountPort: number | undefined;
};

/** Where the server is: what was not said its port mapper is asked for. Throws UsageError. */
export async function findTarget({ host, mountPort, path, port }: Said): Promise<Target> {
  const found = async (program: number, version: number, what: string): Promise<number> => {
    const at = await portOf(host, program, version).catch(() => undefined);
    if (at !== undefined) return at;
    throw new UsageError(`the port mapper of ${host} tells of no ${what}: say --port and --mountport`);
  };
  const nfs = { host, port: port ?? (await found(nfsProgram, nfsVersion, 'NFS version 3')) };
  const mount = { host, port: mountPort ?? port ?? (await found(mountProgram, 3, 'MOUNT version 3')) };
  const isAsked = port === undefined || mountPort === undefined;
  return { nfs, mount, portmap: isAsked && port === undefined ? { host, port: 111 } : undefined, path };
}
