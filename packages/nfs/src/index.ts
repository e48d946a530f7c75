export { callName, CallCounts, type CallCountsView } from './server/call-counts.ts';
export { HandleCodec } from './server/handle-codec.ts';
export type { NfsService } from './server/call.ts';
export type { NfsExport, SquashRules } from './server/exports.ts';
export { answerDatagram } from './server/datagrams.ts';
export { listeningAt, nfsPrograms } from './server/nfs-programs.ts';
export type { Listening } from './server/portmap-procedures.ts';
export { LockService, type HeldLock, type LockClients } from './locks/lock-service.ts';
export { tellGranted, tellRestart } from './locks/lock-peers.ts';
export { connectRpc, portmapPort } from './client/connect.ts';
export { registerAll, unregisterAll } from './client/register.ts';
export { keptCall } from './server/kept-call.ts';
export { Programs, type GroupsOf } from './server/programs.ts';
export { RpcSession, type Answer } from './server/rpc-session.ts';
export type { ServedCall } from './server/served-call.ts';
export { createNfsServer } from './server/serve-socket.ts';
export { mostAnswerBytes, writeDataOffset } from './server/nfs-procedures.ts';
export { parseClient, plainAddress } from './exports/client-pattern.ts';
export {
  clientText,
  parseClients,
  parseExports,
  type ExportClient,
  type ExportLine,
  type ExportRules,
} from './exports/parse-exports.ts';
export { ServedExports, type ExportedSnapshot, type ExportedTree } from './exports/served-exports.ts';
export { NfsClient } from './client/nfs-client.ts';
export { RejectedCall } from './client/rpc-client.ts';
export { accessBit, createMode, fileType, stability, status } from './codec/constants.ts';
export { aclBit, aclType, inheritedType, nfsAclProcedures, type NfsAclEntry } from './codec/nfs-acl.ts';
export { procedures } from './codec/procedures.ts';
export { nothingSet } from './codec/types.ts';
