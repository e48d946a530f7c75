import type { StreamPeer } from '@ashlar/core';
import type { XdrWriter } from '@ashlar/wire';
import { connectRpc, portOf } from '../client/connect.ts';
import { lockStatus, nlmProcedures, nlmProgram, nlmVersion, type NlmLock } from '../codec/nlm.ts';
import { machineState, statusProcedure, statusProgram, statusVersion } from '../codec/status-monitor.ts';
import { plainAddress } from '../exports/client-pattern.ts';

async function call(
  host: string,
  program: number,
  version: number,
  procedure: number,
  write: (writer: XdrWriter) => void,
) {
  const port = await portOf(host, program, version);
  if (port === undefined) return undefined;
  const rpc = await connectRpc({ host, port });
  try {
    return await rpc.call(program, version, procedure, write);
  } finally {
    rpc.close();
  }
}

let cookies = 0;

/** Tells a client that it has a lock that it waited for; gives whether it still wants it. Rejects where it cannot be reached. */
export async function tellGranted(client: string, lock: NlmLock, isExclusive: boolean): Promise<boolean> {
  cookies = (cookies + 1) >>> 0;
  const cookie = Buffer.alloc(4);
  cookie.writeUInt32BE(cookies);
  const { args, number, result } = nlmProcedures.granted;
  const reader = await call(client, nlmProgram, nlmVersion, number, (writer) =>
    args.write(writer, { cookie, isExclusive, lock }),
  );
  return reader !== undefined && result.read(reader).status === lockStatus.granted;
}

/** Calls a client's lock manager, which answers with nothing. */
export async function callBack(
  { address }: StreamPeer,
  procedure: number,
  write: (writer: XdrWriter) => void,
): Promise<void> {
  try {
    await call(plainAddress(address), nlmProgram, nlmVersion, procedure, write);
  } catch {
    // It asks again.
  }
}

/** Tells a machine that this one was restarted: it claims its locks again. Rejects where it cannot be reached. */
export async function tellRestart(client: string, name: string, state: number): Promise<void> {
  await call(client, statusProgram, statusVersion, statusProcedure.notify, (writer) =>
    machineState.write(writer, { name, state }),
  );
}
