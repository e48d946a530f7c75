import { compressions, errorKinds } from '@ashlar/core';
import { afterLossChoices, exportProtocols, volumeTypes } from '@ashlar/volume';
import * as z from 'zod';

/** Bytes; in a request a number or a text such as "10G". */
const size = z
  .union([
    z.int().min(0),
    z.string().regex(/^\s*\d+(\.\d+)?\s*[bkmgtp]?(ib|b)?\s*$/i, 'not a size: write one such as 10G'),
  ])
  .describe('bytes, or a text such as "10G"');

const rate = z.exactOptional(z.number().positive());

const limit = z.strictObject({
  operationsPerSecond: rate,
  bytesPerSecond: rate,
  burstOperations: rate,
  burstBytes: rate,
});

const limitsSchema = z
  .strictObject({ total: z.exactOptional(limit), read: z.exactOptional(limit), write: z.exactOptional(limit) })
  .describe('what is not named is not limited');

const receivingSchema = z
  .strictObject({ snapshot: z.string().max(64), since: z.string().max(64).exactOptional(), offset: z.int().min(0) })
  .describe(
    'a stream that is being received, or broke off: the uuids of its snapshot and of the one that it goes on from, and how far it is durable',
  );

const scheduleSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, 'letters, digits, _ and -, at most 64')
    .describe('begins the names of its snapshots'),
  everySeconds: z.int().min(60).describe('at whole multiples since 1970, UTC'),
  keep: z.int().min(1).max(10_000).describe('above it the oldest go'),
});

const flattenSchema = z
  .object({
    state: z.enum(['running', 'failed', 'done']),
    reason: z.string().optional().describe('why it failed: the volume stays a clone'),
    doneBytes: z.int().describe('of the size: what has nothing of the origin any more'),
    totalBytes: z.int(),
    damagedBytes: z.int().describe('what could not be read as it was written, and stays so'),
  })
  .describe('how the last flattening since the start of the server goes, or ended');

export const flattenCommandSchema = z.strictObject({ action: z.enum(['start', 'stop']).default('start') });

export const volumeSchema = z.object({
  name: z.string(),
  uuid: z.string(),
  type: z.enum(volumeTypes),
  state: z.enum(['ok', 'held']).describe('held: not served until it is accepted'),
  reason: z.string().optional().describe('why it is held, and the command that mends it'),
  afterLoss: z.enum(afterLossChoices),
  sizeBytes: z.int().describe('of a file volume: most that its files may take'),
  allocatedBytes: z.int().describe('what it takes in the pool'),
  reservedBytes: z.int().describe('room that the pool keeps for it; 0: none'),
  uncompressedBytes: z.int().describe('what it would take if nothing of it were compressed'),
  exclusiveBytes: z.int().optional().describe('of that, what no snapshot or clone has; where `space` asks for it'),
  sharedBytes: z.int().optional().describe('of that, what snapshots or clones have as well; where `space` asks for it'),
  preallocation: z.enum(['off', 'falloc', 'full']),
  compression: z.enum(compressions).describe('of what is written'),
  created: z.string().describe('ISO 8601'),
  limits: limitsSchema,
  exports: z.array(z.string()).describe('names it is offered under'),
  snapshots: z.int().describe('how many it has'),
  origin: z.string().optional().describe('the snapshot that it is a clone of'),
  flatten: flattenSchema.optional(),
  receiving: receivingSchema.optional(),
  schedules: z.array(scheduleSchema).describe('by which snapshots are taken by themselves'),
  connections: z.int().describe('clients attached'),
});

export const newVolumeSchema = z.strictObject({
  name: z.string(),
  type: z.enum(volumeTypes).default('block').describe('a disk, or a tree of files'),
  size,
  preallocation: z.enum(['off', 'falloc', 'full']).default('off'),
  compression: z
    .enum(compressions)
    .optional()
    .describe('as the server is configured unless it is named; only of a volume that is not preallocated'),
  limits: limitsSchema.default({}),
  reserve: size.default(0).describe('room that the pool keeps for it; refused where it does not fit'),
  afterLoss: z
    .enum(afterLossChoices)
    .optional()
    .describe('when writes of a client on another machine may be lost; as the server is configured unless it is named'),
  exported: z.boolean().default(true).describe('offer it at once under its own name'),
});

export const volumeChangeSchema = z.strictObject({
  size: size.optional(),
  shrink: z.boolean().default(false).describe('a smaller size may cut contents off'),
  name: z.string().optional().describe('the new name'),
  compression: z.enum(compressions).optional().describe('of what is written from now on'),
  limits: limitsSchema.optional(),
  reserve: size.optional().describe('room that the pool keeps for it; 0: none any more'),
  schedules: z.array(scheduleSchema).max(20).optional().describe('all that it has from now on'),
  receiving: receivingSchema.nullable().optional().describe('null when all of it is there'),
});

export const acceptSchema = z.strictObject({
  afterLoss: z.enum(afterLossChoices).optional().describe('for later losses'),
});

export const snapshotSchema = z.object({
  name: z.string().describe('VOLUME@SNAPSHOT'),
  volume: z.string(),
  snapshot: z.string(),
  schedule: z.string().optional().describe('the schedule that took it'),
  uuid: z.string().describe('of what it has: a copy on another server has the same'),
  sizeBytes: z.int().describe('of the volume then'),
  created: z.string().describe('ISO 8601'),
  clones: z.array(z.string()).describe('volumes that were made from it'),
  exports: z.array(z.string()).describe('names it is offered under, read-only'),
  connections: z.int().describe('clients attached'),
  allocatedBytes: z.int().optional().describe('what it has; of one snapshot only'),
  exclusiveBytes: z.int().optional().describe('what would come back if it were removed; of one snapshot only'),
});

export const newSnapshotsSchema = z.strictObject({
  snapshots: z
    .array(
      z.strictObject({
        volume: z.string(),
        name: z.string(),
        uuid: z.string().max(64).exactOptional().describe('of a copy that was received'),
      }),
    )
    .min(1)
    .max(1000)
    .describe('all of one instant'),
});

const whole = z.coerce.number().int().min(0);
export const changesQuery = z.strictObject({
  since: z.string().describe('name of the snapshot that it is compared with'),
  until: z.string().optional().describe('name of a later snapshot; the volume as it is now without it'),
  offset: whole.default(0).describe('bytes: where to begin'),
  limit: whole.max(100_000).default(10_000).describe('most runs in one answer, changed or not'),
});
export const changesSchema = z.object({
  sizeBytes: z.int(),
  changes: z
    .array(z.object({ offset: z.int(), length: z.int() }))
    .describe('what changed, in order; no data is read for it'),
  next: z.int().optional().describe('where to go on, where there is more'),
});

export const newCloneSchema = z.strictObject({
  name: z.string(),
  exported: z.boolean().default(true).describe('offer it at once under its own name'),
});

export const rollBackSchema = z.strictObject({
  force: z.boolean().default(false).describe('also while clients are attached: their connections end'),
  removeNewer: z.boolean().default(false).describe('removes the snapshots that are newer'),
});

/** The last scrub, without the places of what it found. */
const lastScrubSchema = z.object({
  state: z.enum(['never', 'running', 'paused', 'stopped', 'done', 'failed']),
  reason: z.string().optional().describe('a sentence where it failed'),
  started: z.string().optional().describe('ISO 8601'),
  ended: z.string().optional().describe('ISO 8601'),
  completed: z.string().optional().describe('when one ended last that had read everything, ISO 8601'),
  interruptions: z.int().describe('restarts behind which it went on from where it was'),
  bytesPerSecond: z.number().optional().describe('most that it reads'),
  doneBytes: z.int(),
  totalBytes: z.int().describe('in use when it began: an upper bound'),
  damagedBytes: z.int(),
  damagedPages: z.int().describe('of maps and of the table of checksums: what they lead to is not read'),
  records: z
    .object({
      records: z.int(),
      damaged: z.int(),
      reason: z.string().optional().describe('a sentence where not all could be looked at'),
    })
    .optional()
    .describe("of the pool's database: all of them, looked at in a copy"),
});

export const scrubSchema = lastScrubSchema.extend({
  findings: z.array(
    z.object({
      volume: z.string().optional(),
      snapshot: z.string().optional().describe('the newest that has it; without it the volume as it is'),
      objectId: z.int(),
      offset: z.int(),
      length: z.int(),
    }),
  ),
});

export const scrubCommandSchema = z.strictObject({
  action: z.enum(['start', 'pause', 'resume', 'stop', 'rate']),
  bytesPerSecond: z
    .number()
    .positive()
    .nullable()
    .exactOptional()
    .describe('most that it reads; null: no bound; as the server is configured where one starts without it'),
});

const nfsRulesSchema = z.strictObject({
  sync: z.boolean().describe('what changes names and attributes is durable before it is answered'),
  secure: z.boolean().describe('only from ports below 1024; loopback is free of it'),
  squash: z.enum(['none', 'root', 'all']).describe("whose requests are nobody's"),
  anonymousUid: z.int().min(0).max(0xffff_ffff).describe('who nobody is'),
  anonymousGid: z.int().min(0).max(0xffff_ffff),
  acls: z.boolean().exactOptional().describe('clients are told of access control lists, and set them; true'),
});

const clients = z
  .string()
  .max(60_000)
  .describe(
    'who may mount it over NFS, each by rules of its own, as a line of exports(5) has them behind its path: "10.0.0.0/8(rw) *(ro)"; "": none',
  );

export const exportSchema = z.object({
  name: z.string(),
  volume: z.string().optional().describe('name of the volume behind it'),
  uri: z.string().optional().describe('URI of what is behind it, where that is no volume'),
  readOnly: z.boolean(),
  resizable: z.boolean().describe("clients may change the volume's size"),
  allow: z.array(z.string()).describe('addresses that may attach; empty: all that may connect'),
  over: z.array(z.enum(exportProtocols)),
  nfs: nfsRulesSchema.optional().describe('by which rules it is offered over NFS, as exports(5) has them'),
  clients: z
    .string()
    .optional()
    .describe(
      'who may mount it over NFS, each by rules of its own, as exportfs writes them; in place of `allow` and `nfs`',
    ),
  file: z.string().optional().describe('the line of the file of exports that it is of: it is changed there'),
  created: z.string().describe('ISO 8601'),
  sizeBytes: z.int().optional(),
  connections: z.int(),
  uris: z.array(z.string()).describe('where clients find it'),
});

export const newExportSchema = z.strictObject({
  name: z.string(),
  source: z
    .string()
    .describe(
      "a volume's name, or a URI such as file:///srv/disk.raw, qcow2:///srv/disk.qcow2, dev:///dev/sdb, lvm:///dev/sdb?vg=VG&lv=LV or dir:///srv/home",
    ),
  readOnly: z.boolean().default(false),
  resizable: z.boolean().default(false).describe("clients may change the volume's size"),
  allow: z.array(z.string()).default([]),
  over: z.array(z.enum(exportProtocols)).exactOptional().describe('as its source is, unless it is named'),
  nfs: nfsRulesSchema
    .partial()
    .exactOptional()
    .describe('rules that differ from those of a file volume under its own name'),
  clients: clients.exactOptional(),
});

export const exportChangeSchema = z.strictObject({
  readOnly: z.boolean().optional().describe('of a volume; over NBD for who attaches from then on'),
  resizable: z.boolean().optional(),
  allow: z.array(z.string()).optional().describe('all that may; empty: all that may connect'),
  nfs: nfsRulesSchema.partial().optional().describe('those that are to be others'),
  clients: clients.optional(),
});

export const connectionSchema = z.object({
  id: z.int(),
  exportName: z.string(),
  peer: z.string(),
  identity: z.string().optional(),
  tls: z.boolean(),
  since: z.string().describe('ISO 8601'),
});

export const nfsClientSchema = z.object({
  address: z.string(),
  connections: z.int(),
  since: z.string().describe('ISO 8601: when it came first'),
  calls: z
    .record(z.string(), z.object({ calls: z.int(), seconds: z.number(), mostSeconds: z.number() }))
    .describe('by procedure: how many, how long they took in all, and the longest'),
});

export const lockSchema = z.object({
  client: z.string().describe('its address, and the name that it calls itself by'),
  export: z.string().describe('the path that it is mounted from'),
  file: z.string().describe('its number in the tree'),
  from: z.int(),
  to: z.int().nullable().describe('null: to the end'),
  exclusive: z.boolean(),
});

const poolSchema = z.object({
  state: z.enum(['ok', 'degraded', 'no-space', 'read-only', 'failed']),
  reason: z.string().optional(),
  poolId: z.string(),
  path: z.string(),
  chunkSizeBytes: z.int(),
  freeBytes: z.int(),
  allocatedBytes: z.int(),
  capacityBytes: z.int().describe('most that data may take'),
  usedBytes: z.int().describe('what data takes of that'),
  reservedBytes: z.int().describe('what of the rest is kept for volumes that room was reserved for'),
  availableBytes: z.int().describe('what any volume may still take'),
  provisionedBytes: z.int().describe('sum of the sizes of all volumes'),
  warning: z.string().optional().describe('what is short, and what to do'),
  journalBytes: z.int(),
  overlayBytes: z.int(),
  cacheBytes: z.int(),
  lossGeneration: z.int(),
  promisedLossGeneration: z.int(),
  checkpoints: z.int(),
  syncs: z.int(),
  failedSyncs: z.int(),
  corruptBlocks: z.int(),
  damagedRecords: z.int().describe('of the database, when all of them were looked at last'),
  hasRecordLog: z.boolean().describe('all of the database is in its log as well'),
  madeAnew: z
    .string()
    .optional()
    .describe('what was wrong with the database, where this start made it anew of its log'),
  device: z.string().optional().describe('what its data lies on'),
  dataIo: z.enum(['direct', 'buffered']),
});

export const statusSchema = z.object({
  version: z.string(),
  state: z.enum(['ready', 'stopping']),
  pid: z.int(),
  startedAt: z.string().describe('ISO 8601'),
  uptimeSeconds: z.number(),
  data: z.string(),
  nbd: z.object({
    addresses: z.array(z.string()),
    socket: z.string().optional(),
    tls: z.enum(['off', 'allow', 'require']),
  }),
  nfs: z.object({ addresses: z.array(z.string()) }).describe('none before something is exported over it'),
  admin: z.object({ address: z.string(), socket: z.string() }),
  workers: z.int(),
  volumes: z.int(),
  held: z.array(z.string()).describe('names of volumes that are not served until they are accepted'),
  exports: z.int(),
  connections: z.int(),
  memory: z.object({ residentBytes: z.int(), heapBytes: z.int(), externalBytes: z.int() }),
  pool: poolSchema,
  scrub: lastScrubSchema,
});

const operationSchema = z.object({
  operations: z.number(),
  bytes: z.number(),
  inFlight: z.number(),
  errors: z.number(),
  durationSeconds: z.number().describe('sum over all operations'),
  p50Micros: z.number(),
  p99Micros: z.number(),
  p999Micros: z.number(),
});

export const statisticsSchema = z.object({
  takenAt: z.string().describe('ISO 8601'),
  devices: z.array(
    z.object({
      name: z.string().describe('of the volume, or the path of the file'),
      kind: z.enum(['volume', 'file']),
      operations: z.record(z.string(), operationSchema).describe('since the start, by operation'),
    }),
  ),
});

export const errorSchema = z.object({
  error: z.object({
    kind: z.enum(errorKinds),
    message: z.string().describe('a sentence: what failed and what to do'),
  }),
});

export const snapshotParameters = z.strictObject({
  name: z.string().min(1).max(255),
  snapshot: z.string().min(1).max(255),
});
export const nameParameters = z.strictObject({ name: z.string().min(1).max(255) });
export const idParameters = z.strictObject({ id: z.coerce.number().int().min(1) });

const flag = z
  .enum(['true', 'false', ''])
  .optional()
  .transform((text) => text !== undefined && text !== 'false');
const force = flag.describe('also while clients are attached: their connections end');
export const forceQuery = z.strictObject({ force });
export const volumeQuery = z.strictObject({
  space: flag.describe('counts what is its own as well, which reads its maps'),
});
export const removeVolumeQuery = z.strictObject({
  force,
  snapshots: flag.describe('also where it has snapshots: they go with it'),
});
