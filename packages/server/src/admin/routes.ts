import * as z from 'zod';
import type { Control } from '../control.ts';
import {
  acceptSchema,
  changesQuery,
  changesSchema,
  connectionSchema,
  exportChangeSchema,
  exportSchema,
  flattenCommandSchema,
  forceQuery,
  idParameters,
  lockSchema,
  nameParameters,
  newCloneSchema,
  newExportSchema,
  newSnapshotsSchema,
  newVolumeSchema,
  nfsClientSchema,
  removeVolumeQuery,
  rollBackSchema,
  scrubCommandSchema,
  scrubSchema,
  snapshotParameters,
  snapshotSchema,
  statisticsSchema,
  statusSchema,
  volumeChangeSchema,
  volumeQuery,
  volumeSchema,
} from './schemas.ts';

/** What the routes are about besides volumes and exports. */
export type RouteContext = {
  readonly control: Control;
  readonly status: () => Promise<z.output<typeof statusSchema>>;
  readonly statistics: () => z.output<typeof statisticsSchema>;
  readonly configuration: () => Record<string, unknown>;
  /** Reads the configuration again, as SIGHUP does; gives what took effect and what waits for a restart. */
  readonly reload: () => Promise<z.output<typeof reloadSchema>>;
};

const reloadSchema = z.object({
  applied: z.array(z.string()).describe('keys that changed and took effect'),
  needRestart: z.array(z.string()).describe('keys that changed and take effect at the next start'),
});

type Parts = { readonly params: z.ZodType; readonly query: z.ZodType; readonly body: z.ZodType };

/** One operation of the API: what it takes, what it gives, what it does. The OpenAPI document is made of these. */
export type Route = {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** With parameters as OpenAPI writes them: `/v1/volumes/{name}`. */
  readonly path: string;
  readonly summary: string;
  readonly parts: Partial<Parts>;
  readonly status: 200 | 201 | 204;
  readonly response: z.ZodType | undefined;
  readonly handle: (
    context: RouteContext,
    input: { params: unknown; query: unknown; body: unknown },
  ) => Promise<unknown>;
};

type Given<P, K extends keyof Parts> = P extends { readonly [key in K]: infer S extends z.ZodType }
  ? z.output<S>
  : undefined;

/** Ties a handler's input to its schemas; what runs has been parsed by them. */
function route<const P extends Partial<Parts>, R extends z.ZodType | undefined>(
  operation: Omit<Route, 'parts' | 'response' | 'handle' | 'status'> & {
    readonly parts: P;
    readonly status?: 200 | 201;
    readonly response: R;
    readonly handle: (
      context: RouteContext,
      input: { params: Given<P, 'params'>; query: Given<P, 'query'>; body: Given<P, 'body'> },
    ) => Promise<R extends z.ZodType ? z.input<R> : void>;
  },
): Route {
  const status = operation.status ?? (operation.response === undefined ? 204 : 200);
  return { ...operation, status, handle: operation.handle as Route['handle'] };
}

const volumes = '/v1/volumes';
const oneVolume = '/v1/volumes/{name}';
const snapshots = `${oneVolume}/snapshots`;
const oneSnapshot = `${snapshots}/{snapshot}`;
const fullName = ({ name, snapshot }: { name: string; snapshot: string }): string => `${name}@${snapshot}`;
const exports = '/v1/exports';
const oneExport = '/v1/exports/{name}';

export const routes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/status',
    summary: 'The server, its pool and its addresses',
    parts: {},
    response: statusSchema,
    handle: ({ status }) => status(),
  }),
  route({
    method: 'GET',
    path: '/v1/statistics',
    summary: 'Counters of each volume and file since the start',
    parts: {},
    response: statisticsSchema,
    handle: ({ statistics }) => Promise.resolve(statistics()),
  }),
  route({
    method: 'GET',
    path: '/v1/clients',
    summary: 'Clients of NFS since the start, and what they called',
    parts: {},
    response: z.array(nfsClientSchema),
    handle: ({ control }) => control.nfsClients(),
  }),
  route({
    method: 'GET',
    path: '/v1/locks',
    summary: 'Locks of files that clients of NFS have',
    parts: {},
    response: z.array(lockSchema),
    handle: ({ control }) => control.locks(),
  }),
  route({
    method: 'GET',
    path: '/v1/config',
    summary: 'The configuration that holds, by key',
    parts: {},
    response: z.record(z.string(), z.unknown()),
    handle: ({ configuration }) => Promise.resolve(configuration()),
  }),
  route({
    method: 'POST',
    path: '/v1/reload',
    summary: 'Reads the configuration again; connections stay',
    parts: {},
    response: reloadSchema,
    handle: ({ reload }) => reload(),
  }),
  route({
    method: 'GET',
    path: volumes,
    summary: 'All volumes, by name',
    parts: {},
    response: z.array(volumeSchema),
    handle: ({ control }) => control.volumes(),
  }),
  route({
    method: 'POST',
    path: volumes,
    summary: 'Makes a volume',
    parts: { body: newVolumeSchema },
    status: 201,
    response: volumeSchema,
    handle: ({ control }, { body }) => control.createVolume(body),
  }),
  route({
    method: 'GET',
    path: oneVolume,
    summary: 'One volume',
    parts: { params: nameParameters, query: volumeQuery },
    response: volumeSchema,
    handle: ({ control }, { params, query }) => control.volume(params.name, query),
  }),
  route({
    method: 'PATCH',
    path: oneVolume,
    summary: 'Resizes, renames or limits a volume; its clients stay',
    parts: { params: nameParameters, body: volumeChangeSchema },
    response: volumeSchema,
    handle: ({ control }, { params, body }) => control.changeVolume(params.name, body),
  }),
  route({
    method: 'DELETE',
    path: oneVolume,
    summary: 'Removes a volume, its contents and its exports',
    parts: { params: nameParameters, query: removeVolumeQuery },
    response: undefined,
    handle: ({ control }, { params, query }) => control.removeVolume(params.name, query),
  }),
  route({
    method: 'POST',
    path: '/v1/snapshots',
    summary: 'Takes a snapshot of one or several volumes, all of one instant',
    parts: { body: newSnapshotsSchema },
    status: 201,
    response: z.array(snapshotSchema),
    handle: ({ control }, { body }) => control.snapshots.take(body.snapshots),
  }),
  route({
    method: 'GET',
    path: '/v1/snapshots',
    summary: 'The snapshots of all volumes, the oldest of each first',
    parts: {},
    response: z.array(snapshotSchema),
    handle: ({ control }) => control.snapshots.list(),
  }),
  route({
    method: 'GET',
    path: snapshots,
    summary: 'The snapshots of a volume, the oldest first',
    parts: { params: nameParameters },
    response: z.array(snapshotSchema),
    handle: ({ control }, { params }) => control.snapshots.list(params.name),
  }),
  route({
    method: 'GET',
    path: oneSnapshot,
    summary: 'One snapshot, and what it takes',
    parts: { params: snapshotParameters },
    response: snapshotSchema,
    handle: ({ control }, { params }) => control.snapshots.one(fullName(params)),
  }),
  route({
    method: 'GET',
    path: `${oneVolume}/changes`,
    summary: 'What changed of a volume since a snapshot, to the 4 KiB block',
    parts: { params: nameParameters, query: changesQuery },
    response: changesSchema,
    handle: ({ control }, { params, query }) => control.snapshots.changes(params.name, query),
  }),
  route({
    method: 'DELETE',
    path: oneSnapshot,
    summary: 'Removes a snapshot; what only it has comes back in the background',
    parts: { params: snapshotParameters, query: forceQuery },
    response: undefined,
    handle: ({ control }, { params, query }) => control.snapshots.remove(fullName(params), query.force),
  }),
  route({
    method: 'POST',
    path: `${oneSnapshot}/clone`,
    summary: 'Makes a volume of what a snapshot has',
    parts: { params: snapshotParameters, body: newCloneSchema },
    status: 201,
    response: volumeSchema,
    handle: ({ control }, { params, body }) => control.cloneVolume(fullName(params), body),
  }),
  route({
    method: 'POST',
    path: `${oneSnapshot}/rollback`,
    summary: 'Makes the volume what a snapshot has',
    parts: { params: snapshotParameters, body: rollBackSchema },
    response: volumeSchema,
    handle: ({ control }, { params, body }) => control.rollBack(fullName(params), body),
  }),
  route({
    method: 'POST',
    path: `${oneVolume}/flatten`,
    summary: 'Makes a clone a volume of its own, in the background; or gives that up',
    parts: { params: nameParameters, body: flattenCommandSchema },
    response: volumeSchema,
    handle: ({ control }, { params, body }) => control.flatten(params.name, body.action),
  }),
  route({
    method: 'POST',
    path: `${oneVolume}/accept`,
    summary: 'Serves a volume again that is held after a loss',
    parts: { params: nameParameters, body: acceptSchema },
    response: volumeSchema,
    handle: ({ control }, { params, body }) => control.acceptVolume(params.name, body),
  }),
  route({
    method: 'GET',
    path: '/v1/scrub',
    summary: 'How far the scrub is, and what it found',
    parts: {},
    response: scrubSchema,
    handle: ({ control }) => control.scrub({ action: 'status' }),
  }),
  route({
    method: 'POST',
    path: '/v1/scrub',
    summary: 'Starts, pauses, resumes or stops a scrub',
    parts: { body: scrubCommandSchema },
    response: scrubSchema,
    handle: ({ control }, { body }) => control.scrub(body),
  }),
  route({
    method: 'GET',
    path: exports,
    summary: 'All exports, by name',
    parts: {},
    response: z.array(exportSchema),
    handle: ({ control }) => control.exports(),
  }),
  route({
    method: 'POST',
    path: exports,
    summary: 'Offers a volume or a file under a name',
    parts: { body: newExportSchema },
    status: 201,
    response: exportSchema,
    handle: ({ control }, { body }) => control.addExport(body),
  }),
  route({
    method: 'GET',
    path: oneExport,
    summary: 'One export',
    parts: { params: nameParameters },
    response: exportSchema,
    handle: ({ control }, { params }) => control.export(params.name),
  }),
  route({
    method: 'PATCH',
    path: oneExport,
    summary: 'Changes who may use an export, and by which rules; its clients stay',
    parts: { params: nameParameters, body: exportChangeSchema },
    response: exportSchema,
    handle: ({ control }, { params, body }) => control.changeExport(params.name, body),
  }),
  route({
    method: 'DELETE',
    path: oneExport,
    summary: 'Takes an export back; what is behind it stays',
    parts: { params: nameParameters, query: forceQuery },
    response: undefined,
    handle: ({ control }, { params, query }) => control.removeExport(params.name, query.force),
  }),
  route({
    method: 'GET',
    path: '/v1/connections',
    summary: 'Clients that are attached',
    parts: {},
    response: z.array(connectionSchema),
    handle: ({ control }) => control.connections(),
  }),
  route({
    method: 'DELETE',
    path: '/v1/connections/{id}',
    summary: 'Ends a connection',
    parts: { params: idParameters },
    response: undefined,
    handle: ({ control }, { params }) => control.disconnect(params.id),
  }),
];
