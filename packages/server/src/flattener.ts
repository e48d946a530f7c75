import { AshlarError, type FlattenProgress } from '@ashlar/core';
import type { Flattening, Volume } from '@ashlar/volume';
import type { Logger } from 'pino';

type Parts = {
  readonly volumes: () => readonly Volume[];
  /** Throws `not-found`. */
  readonly volume: (name: string) => Volume;
  readonly flattening: Pick<Flattening, 'begin' | 'step' | 'end'>;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
};

/** One volume's, since the start of the server. */
type Job = {
  state: 'running' | 'failed' | 'done';
  progress: FlattenProgress | undefined;
  reason: string | undefined;
  isStopped: boolean;
  ended: Promise<void>;
};

export type FlattenView = Omit<FlattenProgress, 'isDone'> & Pick<Job, 'state'> & { readonly reason?: string };

/** Flattens clones in the background, those as well that a stop interrupted. */
export class Flattener {
  readonly #parts: Parts;
  /** By the volume's uuid. */
  readonly #jobs = new Map<string, Job>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** How many are under way. */
  get count(): number {
    return [...this.#jobs.values()].filter(({ state }) => state === 'running').length;
  }

  /** Goes on with what is on record. */
  start(): void {
    for (const volume of this.#parts.volumes()) if (volume.flattening === true) this.#run(volume);
  }

  /** `invalid`, `busy`: see `Flattening`. */
  async begin(name: string): Promise<void> {
    this.#run(await this.#parts.flattening.begin(name));
  }

  /** Settles when nothing of it is under way; the volume stays a clone. */
  async stop(name: string): Promise<void> {
    const { uuid } = this.#parts.volume(name);
    const job = this.#jobs.get(uuid);
    if (job?.state !== 'running') return;
    job.isStopped = true;
    await job.ended;
    await this.#parts.flattening.end(uuid);
    if (job.state === 'running') this.#jobs.delete(uuid);
  }

  /** How far the last one is; nothing where there was none. */
  viewOf(uuid: string): FlattenView | undefined {
    const job = this.#jobs.get(uuid);
    if (job === undefined) return undefined;
    const { state, reason } = job;
    const { doneBytes = 0, totalBytes = 0, damagedBytes = 0 } = job.progress ?? {};
    return { state, doneBytes, totalBytes, damagedBytes, ...(reason === undefined ? {} : { reason }) };
  }

  /** Settles when nothing is under way any more; the next start goes on. */
  async close(): Promise<void> {
    const jobs = [...this.#jobs.values()];
    for (const job of jobs) job.isStopped = true;
    for (const { ended } of jobs) await ended;
  }

  #run({ uuid }: Volume): void {
    if (this.#jobs.get(uuid)?.state === 'running') return;
    const job: Job = {
      state: 'running',
      progress: undefined,
      reason: undefined,
      isStopped: false,
      ended: Promise.resolve(),
    };
    this.#jobs.set(uuid, job);
    job.ended = this.#flatten(uuid, job);
  }

  async #flatten(uuid: string, job: Job): Promise<void> {
    const { flattening, logger } = this.#parts;
    try {
      while (!job.isStopped) {
        const progress = await flattening.step(uuid);
        if (progress === undefined) return void this.#jobs.delete(uuid);
        job.progress = progress;
        if (!progress.isDone) continue;
        job.state = 'done';
        logger.info({ volume: this.#nameOf(uuid), damagedBytes: progress.damagedBytes }, 'a clone is flat');
        return;
      }
    } catch (error) {
      if (!(error instanceof AshlarError)) throw error;
      const name = this.#nameOf(uuid);
      if (name === undefined) return void this.#jobs.delete(uuid);
      job.state = 'failed';
      job.reason = error.message;
      logger.warn({ volume: name, reason: error.message }, 'a clone was not flattened');
      await flattening.end(uuid).catch(() => undefined);
    }
  }

  #nameOf(uuid: string): string | undefined {
    return this.#parts.volumes().find((volume) => volume.uuid === uuid)?.name;
  }
}
