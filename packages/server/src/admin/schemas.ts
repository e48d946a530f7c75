import { errorKinds } from '@ashlar/core';
import { afterLossChoices, exportProtocols } from '@ashlar/volume';
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

export const volumeSchema = z.object({
  name: z.string(),
  uuid: z.string(),
  type: z.literal('block'),
  state: z.enum(['ok', 'held']).describe('held: not served until it is accepted'),
  reason: z.string().optional().describe('why it is held, and the command that mends it'),
  afterLoss: z.enum(afterLossChoices),
  sizeBytes: z.int(),
  allocatedBytes: z.int().describe('what it takes in the pool'),
  preallocation: z.enum(['off', 'falloc', 'full']),
  created: z.string().describe('ISO 8601'),
  limits: limitsSchema,
  exports: z.array(z.string()).describe('names it is offered under'),
  connections: z.int().describe('clients attached'),
});

export const newVolumeSchema = z.strictObject({
  name: z.string(),
  size,
  preallocation: z.enum(['off', 'falloc', 'full']).default('off'),
  limits: limitsSchema.default({}),
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
  limits: limitsSchema.optional(),
});

export const acceptSchema = z.strictObject({
  afterLoss: z.enum(afterLossChoices).optional().describe('for later losses'),
});

export const exportSchema = z.object({
  name: z.string(),
  volume: z.string().optional().describe('name of the volume behind it'),
  uri: z.string().optional().describe('URI of what is behind it, where that is no volume'),
  readOnly: z.boolean(),
  allow: z.array(z.string()).describe('addresses that may attach; empty: all that may connect'),
  over: z.array(z.enum(exportProtocols)),
  created: z.string().describe('ISO 8601'),
  sizeBytes: z.int().optional(),
  connections: z.int(),
  uris: z.array(z.string()).describe('where clients find it'),
});

export const newExportSchema = z.strictObject({
  name: z.string(),
  source: z.string().describe("a volume's name, or a file's URI such as file:///srv/disk.raw"),
  readOnly: z.boolean().default(false),
  allow: z.array(z.string()).default([]),
  over: z.array(z.enum(exportProtocols)).default(['nbd']),
});

export const connectionSchema = z.object({
  id: z.int(),
  exportName: z.string(),
  peer: z.string(),
  identity: z.string().optional(),
  tls: z.boolean(),
  since: z.string().describe('ISO 8601'),
});

const poolSchema = z.object({
  state: z.enum(['ok', 'degraded', 'no-space', 'read-only', 'failed']),
  reason: z.string().optional(),
  poolId: z.string(),
  path: z.string(),
  chunkSizeBytes: z.int(),
  freeBytes: z.int(),
  allocatedBytes: z.int(),
  journalBytes: z.int(),
  overlayBytes: z.int(),
  cacheBytes: z.int(),
  lossGeneration: z.int(),
  promisedLossGeneration: z.int(),
  checkpoints: z.int(),
  syncs: z.int(),
  failedSyncs: z.int(),
  corruptBlocks: z.int(),
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
  admin: z.object({ address: z.string(), socket: z.string() }),
  workers: z.int(),
  volumes: z.int(),
  held: z.array(z.string()).describe('names of volumes that are not served until they are accepted'),
  exports: z.int(),
  connections: z.int(),
  memory: z.object({ residentBytes: z.int(), heapBytes: z.int(), externalBytes: z.int() }),
  pool: poolSchema,
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

export const nameParameters = z.strictObject({ name: z.string().min(1).max(255) });
export const idParameters = z.strictObject({ id: z.coerce.number().int().min(1) });

const flag = z
  .enum(['true', 'false', ''])
  .optional()
  .transform((text) => text !== undefined && text !== 'false');
export const forceQuery = z.strictObject({
  force: flag.describe('also while clients are attached: their connections end'),
});
