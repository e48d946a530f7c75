import { bucketUpperMicros, operationNames, type OperationName, type OperationStats } from '@ashlar/block';
import { errorKinds, type PoolState, type ScrubReport, type Usage } from '@ashlar/core';
import type { Plane } from '@ashlar/plane';
import type { Catalogue } from '@ashlar/volume';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Grants } from './grants.ts';
import type { ConnectionCounts } from './nbd-front.ts';

type MetricsOptions = {
  readonly version: string;
  readonly catalogue: Catalogue;
  readonly grants: Grants;
  readonly plane: Plane;
  readonly counts: Readonly<ConnectionCounts>;
  /** The threshold of `pool.warn-at` that its use has reached; 0: none. */
  readonly poolThreshold: () => number;
  /** Clients attached, by export. */
  readonly connections: () => Promise<ReadonlyMap<string, number>>;
  /** Clones that are being flattened. */
  readonly flattening: () => number;
};

const poolStates: readonly PoolState[] = ['ok', 'degraded', 'no-space', 'read-only', 'failed'];

/** Shown of every device from the start; the others when they were used. */
const always: ReadonlySet<OperationName> = new Set(['read', 'write', 'trim', 'zero', 'flush']);

/** Every fourth bucket of the counters' histograms (an octave each), from 4 µs to 16.8 s: Prometheus stores each series. */
const shownBuckets = Array.from({ length: 23 }, (_, octave) => (octave + 2) * 4 - 1);

type Sample = { readonly volume: string; readonly operation: OperationName; readonly stats: OperationStats };

type Labels = 'volume' | 'operation';

const durationName = 'ashlar_operation_duration_seconds';
const durationHelp = "Time from an operation's arrival to its end";

/** A histogram whose counts are kept elsewhere: read when they are asked for. */
class SharedHistogram extends Histogram<Labels> {
  readonly #samples: () => readonly Sample[];

  constructor(registry: Registry, samples: () => readonly Sample[]) {
    super({ name: durationName, help: durationHelp, labelNames: ['volume', 'operation'], registers: [registry] });
    this.#samples = samples;
  }

  /** What the registry reads, in place of the counts that this class would keep. */
  async getForPromString() {
    const values = this.#samples().flatMap((sample) => bucketsOf(durationName, sample));
    return { name: durationName, help: durationHelp, type: 'histogram', values };
  }
}

function bucketsOf(name: string, { volume, operation, stats }: Sample) {
  const labels = { volume, operation };
  const values: {
    metricName: string;
    labels: { volume: string; operation: string; le?: number | string };
    value: number;
  }[] = [];
  let below = 0;
  let next = 0;
  for (const index of shownBuckets) {
    for (; next <= index; next += 1) below += stats.latency.counts[next] ?? 0;
    values.push({
      metricName: `${name}_bucket`,
      labels: { ...labels, le: bucketUpperMicros(index) / 1e6 },
      value: below,
    });
  }
  values.push({ metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: stats.operations });
  values.push({ metricName: `${name}_sum`, labels, value: stats.durationMs / 1000 });
  values.push({ metricName: `${name}_count`, labels, value: stats.operations });
  return values;
}

/** One question for all gauges of one scrape: they are filled in the same turn. */
function askedOnce<T>(ask: () => Promise<T>): () => Promise<T> {
  let latest: Promise<T> | undefined;
  return () => (latest ??= ask().finally(() => (latest = undefined)));
}

/** Everything that /metrics shows. Numbers are read when they are asked for; nothing is kept twice. */
export class Metrics {
  readonly #options: MetricsOptions;
  readonly #registry = new Registry();

  constructor(options: MetricsOptions) {
    this.#options = options;
    collectDefaultMetrics({ register: this.#registry });
    const connectionsHelp =
      'Connections since the start: accepted, refused before or during the handshake, attached to an export';
    this.#counter('ashlar_connections_total', connectionsHelp, ['result'], (counter) => {
      for (const [result, count] of Object.entries(options.counts)) counter.inc({ result }, count);
    });
    this.#gauge('ashlar_info', 'Always 1; the version is a label', ['version'], (gauge) =>
      gauge.set({ version: options.version }, 1),
    );
    this.#addOperations();
    this.#addVolumes();
    this.#addPool();
    this.#addScrub();
    this.#addFlattening();
    this.#addNfs();
  }

  /** In Prometheus' text format. */
  async text(): Promise<{ type: string; text: string }> {
    return { type: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  #gauge<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    fill: (gauge: Gauge<L>) => void | Promise<void>,
  ): void {
    new Gauge<L>({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      async collect() {
        this.reset();
        await fill(this);
      },
    });
  }

  #counter<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    fill: (counter: Counter<L>) => void | Promise<void>,
  ): void {
    new Counter<L>({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      async collect() {
        this.reset();
        await fill(this);
      },
    });
  }

  #addOperations(): void {
    const labels = ['volume', 'operation'] as const;
    const samples = (): Sample[] => this.#samples();
    this.#counter('ashlar_operations_total', 'Operations that ended, well or not', labels, (counter) => {
      for (const { volume, operation, stats } of samples()) counter.inc({ volume, operation }, stats.operations);
    });
    this.#counter('ashlar_bytes_total', 'Bytes of the operations that ended well', labels, (counter) => {
      for (const { volume, operation, stats } of samples()) counter.inc({ volume, operation }, stats.bytes);
    });
    this.#gauge('ashlar_queue_depth', 'Operations in flight', labels, (gauge) => {
      for (const { volume, operation, stats } of samples()) gauge.set({ volume, operation }, stats.inFlight);
    });
    this.#counter('ashlar_errors_total', 'Operations that failed, by kind', [...labels, 'kind'], (counter) => {
      for (const { volume, operation, stats } of samples()) {
        for (const [index, kind] of errorKinds.entries()) {
          const count = stats.errors[index] ?? 0;
          if (count > 0 || kind === 'io') counter.inc({ volume, operation, kind }, count);
        }
      }
    });
    new SharedHistogram(this.#registry, samples);
  }

  #addNfs(): void {
    const { plane } = this.#options;
    const calls = askedOnce(() => plane.nfsCalls());
    this.#counter('ashlar_nfs_calls_total', 'Calls of NFS that ended, well or not', ['procedure'], async (counter) => {
      for (const [procedure, { calls: count }] of Object.entries(await calls())) counter.inc({ procedure }, count);
    });
    this.#counter('ashlar_nfs_call_seconds_total', 'How long those took', ['procedure'], async (counter) => {
      for (const [procedure, { seconds }] of Object.entries(await calls())) counter.inc({ procedure }, seconds);
    });
    this.#gauge('ashlar_nfs_connections', 'Connections of clients of file volumes', [], async (gauge) =>
      gauge.set((await plane.nfsConnections()).length),
    );
  }

  #addVolumes(): void {
    const { catalogue } = this.#options;
    this.#gauge('ashlar_volume_size_bytes', 'Size of each volume', ['volume'], (gauge) => {
      for (const { name, sizeBytes } of catalogue.volumes()) gauge.set({ volume: name }, sizeBytes);
    });
    this.#gauge('ashlar_volume_held', '1 while the volume is not served until it is accepted', ['volume'], (gauge) => {
      for (const volume of catalogue.volumes()) gauge.set({ volume: volume.name }, catalogue.isHeld(volume) ? 1 : 0);
    });
    // One behind the other, so that reads and writes come in between.
    const usages = askedOnce(async () => {
      const found = new Map<string, Usage>();
      for (const { name } of catalogue.volumes()) found.set(name, await catalogue.usage(name));
      return found;
    });
    this.#gauge('ashlar_volume_allocated_bytes', 'What each volume takes in the pool', ['volume'], async (gauge) => {
      for (const [name, { allocatedBytes }] of await usages()) gauge.set({ volume: name }, allocatedBytes);
    });
    const uncompressed = 'What each volume would take in the pool if nothing were compressed';
    this.#gauge('ashlar_volume_uncompressed_bytes', uncompressed, ['volume'], async (gauge) => {
      for (const [name, { uncompressedBytes }] of await usages()) gauge.set({ volume: name }, uncompressedBytes);
    });
    this.#gauge('ashlar_volume_reserved_bytes', 'Room that the pool keeps for each volume', ['volume'], (gauge) => {
      for (const { name, reservedBytes = 0 } of catalogue.volumes()) gauge.set({ volume: name }, reservedBytes);
    });
    this.#gauge('ashlar_connections', 'Clients attached, by export', ['export'], async (gauge) => {
      const counts = await this.#options.connections();
      for (const { name } of catalogue.exports.list()) gauge.set({ export: name }, counts.get(name) ?? 0);
    });
  }

  #addFlattening(): void {
    const { flattening } = this.#options;
    this.#gauge('ashlar_volumes_flattening', 'Clones that are being flattened', [], (gauge) => gauge.set(flattening()));
  }

  #addPool(): void {
    const status = askedOnce(() => this.#options.plane.status());
    this.#gauge('ashlar_pool_state', '1 for the state that the pool is in', ['state'], async (gauge) => {
      const { state } = await status();
      for (const each of poolStates) gauge.set({ state: each }, each === state ? 1 : 0);
    });
    const sizes = [
      ['ashlar_pool_free_bytes', 'What the file system can still give', 'freeBytes'],
      ['ashlar_pool_allocated_bytes', 'What the data files take', 'allocatedBytes'],
      ['ashlar_pool_capacity_bytes', 'Most that data may take', 'capacityBytes'],
      ['ashlar_pool_used_bytes', 'What data takes of the capacity', 'usedBytes'],
      [
        'ashlar_pool_reserved_bytes',
        'What of the rest is kept for volumes that room was reserved for',
        'reservedBytes',
      ],
      ['ashlar_pool_available_bytes', 'What any volume may still take', 'availableBytes'],
      ['ashlar_pool_journal_bytes', 'What the journal holds', 'journalBytes'],
      ['ashlar_pool_overlay_bytes', 'Journaled and not yet home, in memory', 'overlayBytes'],
      ['ashlar_pool_cache_bytes', 'Verified chunks in memory', 'cacheBytes'],
      [
        'ashlar_pool_damaged_records',
        'Records of the database that were not as they were written when all were looked at last',
        'damagedRecords',
      ],
      [
        'ashlar_pool_loss_generation',
        'Raised by each recovery that may have lost something acknowledged',
        'lossGeneration',
      ],
      [
        'ashlar_pool_promised_loss_generation',
        'The loss generation at which writes that had been flushed were lost last; 0: never',
        'promisedLossGeneration',
      ],
    ] as const;
    for (const [name, help, field] of sizes) {
      this.#gauge(name, help, [], async (gauge) => gauge.set((await status())[field]));
    }
    this.#gauge('ashlar_pool_provisioned_bytes', 'Sum of the sizes of all volumes', [], (gauge) =>
      gauge.set(this.#options.catalogue.provisionedBytes),
    );
    const thresholdHelp = 'The highest threshold of pool.warn-at, in percent, that the use has reached; 0: none';
    this.#gauge('ashlar_pool_warning_percent', thresholdHelp, [], (gauge) => gauge.set(this.#options.poolThreshold()));
    this.#gauge('ashlar_pool_record_log', '1 while all of the database is in its log as well', [], async (gauge) =>
      gauge.set((await status()).hasRecordLog ? 1 : 0),
    );
    const anewHelp = '1 where this start made the database anew of its log, since it was damaged';
    this.#gauge('ashlar_pool_made_anew', anewHelp, [], async (gauge) =>
      gauge.set((await status()).madeAnew === undefined ? 0 : 1),
    );
    const totals = [
      ['ashlar_pool_checkpoints_total', 'Checkpoints since the start', 'checkpoints'],
      ['ashlar_pool_syncs_total', 'Syncs of the journal since the start', 'syncs'],
      [
        'ashlar_pool_failed_syncs_total',
        'Syncs of the journal that failed, and whose writes were made durable elsewhere',
        'failedSyncs',
      ],
      ['ashlar_pool_corrupt_blocks_total', 'Blocks whose checksum did not fit since the start', 'corruptBlocks'],
    ] as const;
    for (const [name, help, field] of totals) {
      this.#counter(name, help, [], async (counter) => counter.inc((await status())[field]));
    }
  }

  #addScrub(): void {
    const scrub = askedOnce(() => this.#options.plane.scrub({ action: 'status' }));
    const values = [
      ['running', '1 while a scrub runs', ({ state }) => (state === 'running' ? 1 : 0)],
      ['paused', '1 while a scrub is paused', ({ state }) => (state === 'paused' ? 1 : 0)],
      ['done_bytes', 'What the last scrub has read so far', ({ doneBytes }) => doneBytes],
      ['total_bytes', 'What the last scrub has to read at the most', ({ totalBytes }) => totalBytes],
      ['limit_bytes_per_second', 'Most that it reads; 0: no bound', ({ bytesPerSecond }) => bytesPerSecond ?? 0],
      ['damaged_bytes', 'What the last scrub could not read as it was written', ({ damagedBytes }) => damagedBytes],
      ['damaged_pages', 'Pages of maps that the last scrub found damaged', ({ damagedPages }) => damagedPages],
      [
        'ended_seconds',
        'When a scrub ended last that had read everything, in seconds since 1970; 0: never',
        ({ completedMs }) => (completedMs ?? 0) / 1000,
      ],
    ] as const satisfies readonly (readonly [string, string, (report: ScrubReport) => number])[];
    for (const [name, help, value] of values) {
      this.#gauge(`ashlar_scrub_${name}`, help, [], async (gauge) => gauge.set(value(await scrub())));
    }
  }

  #samples(): Sample[] {
    return this.#options.grants
      .devices()
      .flatMap(({ name, stats }) =>
        operationNames
          .filter((operation) => always.has(operation) || stats[operation].operations > 0)
          .map((operation) => ({ volume: name, operation, stats: stats[operation] })),
      );
  }
}
