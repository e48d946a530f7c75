import { isIP } from 'node:net';
import { isAbsolute } from 'node:path';
import { AshlarError, compressions, KiB, maxOffset, MiB, parseSize } from '@ashlar/core';
import { afterLossChoices, checkCidr } from '@ashlar/volume';
import * as z from 'zod';

/** Runs a check that throws AshlarError inside a schema, so that its sentence is what the user reads. */
function sentence<T, U>(parse: (value: T) => U): (value: T, context: z.RefinementCtx<T>) => U {
  return (value, context) => {
    try {
      return parse(value);
    } catch (error) {
      if (!(error instanceof AshlarError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  };
}

const port = z.int().min(0).max(65535);

const cidr = z.string().transform(
  sentence((text: string) => {
    checkCidr(text);
    return text;
  }),
);

const address = z.string().transform(
  sentence((text: string) => {
    if (isIP(text) !== 0) return text;
    if (text === 'localhost') return '127.0.0.1';
    throw new AshlarError('invalid', `'${text}' is not an address: write one such as 127.0.0.1, 0.0.0.0 or ::`);
  }),
);

/** Bytes; in the file a number or a text such as "256M". */
function size(minimum: number, maximum: number) {
  return z
    .union([z.number(), z.string()])
    .transform(sentence((value: number | string) => (typeof value === 'number' ? value : parseSize(value))))
    .pipe(z.int().min(minimum).max(maximum));
}

const nbd = z.strictObject({
  port: port.default(10809).describe('TCP port; 0 takes a free one'),
  tcp: z.boolean().default(true).describe('false: only the Unix socket'),
  socket: z.string().default('nbd.sock').describe('Unix socket, relative to the data directory; "" for none'),
  allow: z.array(cidr).default([]).describe('addresses that may connect besides loopback, such as ["10.0.0.0/8"]'),
  maxConnections: z.int().min(1).max(100_000).default(1024).describe('connections at once; one more is refused'),
  handshakeSeconds: z.number().min(1).max(600).default(10).describe('time a client has to choose an export'),
  tls: z.enum(['off', 'allow', 'require']).default('off').describe('whether clients may or must use TLS'),
  certificates: z
    .string()
    .optional()
    .describe('directory with server-cert.pem, server-key.pem and, to verify clients, ca-cert.pem'),
  psk: z.string().optional().describe('file of pre-shared keys, a line "name:hex" each, as psktool writes it'),
});

const nfs = z.strictObject({
  port: port.default(2049).describe('TCP port of NFS and all that belongs to it; 0 takes a free one'),
  portmapper: z
    .boolean()
    .default(true)
    .describe('answer at port 111 as well, or register with who does, where that can be; never where the port is 0'),
  allow: z.array(cidr).default([]).describe('addresses that may connect besides loopback, such as ["10.0.0.0/8"]'),
  exports: z
    .string()
    .optional()
    .describe(
      'file in the form of /etc/exports: who may mount the file volumes and directories that it names, and by which rules',
    ),
  accessLog: z.boolean().default(false).describe('true: each call is logged, with its client and how long it took'),
  manageGids: z
    .boolean()
    .default(false)
    .describe('true: the groups of a user are those that this machine knows, in place of the at most 16 of a call'),
  maxConnections: z.int().min(1).max(100_000).default(16_384).describe('connections at once; one more is refused'),
});

const admin = z.strictObject({
  port: port.default(9810).describe('HTTP port of the admin API; 0 takes a free one'),
  listen: address.default('127.0.0.1').describe('address of the admin API'),
  allow: z.array(cidr).default([]).describe('addresses that may use the admin API besides loopback'),
  openMetrics: z.boolean().default(false).describe('true: /metrics needs no token'),
});

const store = z.strictObject({
  chunkSize: size(64 * KiB, 256 * KiB)
    .refine((bytes) => Number.isInteger(Math.log2(bytes)), 'must be 64K, 128K or 256K')
    .default(256 * KiB)
    .describe('unit of allocation of a new pool in files: 64K, 128K or 256K'),
  journalSize: size(16 * MiB, 2 ** 40)
    .default(1024 * MiB)
    .describe('most that the journal takes'),
  overlaySize: size(4 * MiB, 2 ** 40)
    .default(256 * MiB)
    .describe('most memory for what is journaled and not yet home'),
  cacheSize: z
    .union([z.literal('auto'), size(0, 2 ** 40)])
    .default('auto')
    .describe('memory for blocks that were read or written; "auto": an eighth of what the machine has'),
  mapCacheSize: size(MiB, 2 ** 40)
    .default(64 * MiB)
    .describe('memory for pages of maps and checksums'),
});

const scrub = z.strictObject({
  everyDays: z
    .number()
    .min(0)
    .max(3650)
    .default(30)
    .describe('days from the start of one scrub to the next; 0: only when it is asked for'),
  rate: z
    .union([z.literal('off'), size(1, maxOffset)])
    .default('off')
    .describe(
      'most bytes a second that a scrub reads, such as "200M"; "off": as fast as the disk and the volumes let it',
    ),
});

const pool = z.strictObject({
  capacity: z
    .union([z.literal('auto'), size(16 * MiB, Number.MAX_SAFE_INTEGER)])
    .default('auto')
    .describe('most that the data of all volumes may take; "auto": what its file system or device has'),
  device: z
    .string()
    .refine((path) => isAbsolute(path), 'must be an absolute path, such as /dev/vg/data')
    .optional()
    .describe('device that the data of a new pool lies on, and nothing else; or where that of this pool is now'),
  warnAt: z
    .array(z.coerce.number().min(1).max(100))
    .default([80, 90])
    .describe('percent of the capacity from which on status, metrics and the log warn'),
});

const log = z.strictObject({
  level: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('least severity that is written'),
});

export const configSchema = z.strictObject({
  data: z.string().default('./ashlar-data').describe('directory of the pool'),
  listen: z
    .union([address.transform((one) => [one]), z.array(address)])
    .default(['127.0.0.1'])
    .describe('addresses that protocols listen on; beyond loopback nbd.allow is needed'),
  workers: z.int().min(1).max(1).default(1).describe('data workers; one pool has one'),
  drainSeconds: z.number().min(0).max(3600).default(10).describe('time that a stop gives what is in flight'),
  afterLoss: z
    .enum(afterLossChoices)
    .default('hold')
    .describe(
      'what a loss of power does to volumes written from other machines that say nothing themselves: hold or serve',
    ),
  compression: z
    .enum(compressions)
    .default('off')
    .describe('whether new volumes that say nothing themselves are compressed: off or zstd'),
  nbd: nbd.prefault({}),
  nfs: nfs.prefault({}),
  admin: admin.prefault({}),
  pool: pool.prefault({}),
  store: store.prefault({}),
  scrub: scrub.prefault({}),
  log: log.prefault({}),
});

export type Config = z.output<typeof configSchema>;

/** A key as `['nbd', 'port']`, and what it is for. */
export type ConfigKey = {
  readonly path: readonly string[];
  readonly help: string;
  readonly isArray: boolean;
  readonly isText: boolean;
};

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  const definition = schema._zod.def as { innerType?: z.core.$ZodType };
  return definition.innerType === undefined ? schema : unwrap(definition.innerType);
}

function keysOf(schema: z.ZodObject, above: readonly string[]): ConfigKey[] {
  return Object.entries(schema.shape).flatMap(([name, field]) => {
    const inner = unwrap(field);
    const path = [...above, name];
    if (inner instanceof z.ZodObject) return keysOf(inner, path);
    const isArray = inner instanceof z.ZodArray || (name === 'listen' && above.length === 0);
    const isText = inner instanceof z.ZodString || inner instanceof z.ZodPipe || inner instanceof z.ZodEnum;
    return [{ path, help: z.globalRegistry.get(field)?.description ?? '', isArray, isText }];
  });
}

/** Every key there is, in the order of the documentation. */
export const configKeys: readonly ConfigKey[] = keysOf(configSchema, []);
