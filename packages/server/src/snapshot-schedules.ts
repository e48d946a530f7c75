import { AshlarError, errorKindOf, type Scheduler, type Timer } from '@ashlar/core';
import type { SnapshotSchedule, Snapshots, Volume, VolumeSnapshot } from '@ashlar/volume';
import type { Logger } from 'pino';

type Parts = {
  readonly volumes: () => readonly Volume[];
  readonly snapshots: Pick<Snapshots, 'of' | 'take' | 'remove'>;
  readonly scheduler: Scheduler;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  /** What was offered may be no more. */
  readonly removed: () => void;
};

/** How often it looks for what is due: the shortest time between two snapshots is a minute. */
const lookMs = 10_000;

/**
 * Takes the snapshots of schedules when they are due, and removes those above the number that is kept. They are due at whole multiples of their time since
 * 1970, in UTC, so that hourly ones are taken on the hour; one that was missed while the server was down is taken once.
 */
export class SnapshotSchedules {
  readonly #parts: Parts;
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    if (this.#stopped) return;
    this.#timer = this.#parts.scheduler.after(lookMs, () => {
      this.#looking = this.look().finally(() => this.start());
    });
  }

  /** Settles when nothing of it is under way any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#looking;
  }

  /** Takes and removes what is due now. What fails is logged, and tried again at the next look. */
  async look(): Promise<void> {
    for (const volume of this.#parts.volumes()) {
      for (const schedule of volume.schedules ?? []) {
        try {
          await this.#keepTo(volume, schedule);
        } catch (error) {
          if (!(error instanceof AshlarError)) throw error;
          const { message: reason } = error;
          this.#parts.logger.warn({ volume: volume.name, schedule: schedule.name, reason }, 'a snapshot was not taken');
        }
      }
    }
  }

  async #keepTo(volume: Volume, schedule: SnapshotSchedule): Promise<void> {
    const { snapshots, now, logger } = this.#parts;
    const own = (): readonly VolumeSnapshot[] => snapshots.of(volume).filter((each) => each.schedule === schedule.name);
    const newest = own().at(-1);
    const since = Date.parse(newest?.created ?? schedule.since);
    const turn = (ms: number): number => Math.floor(ms / (schedule.everySeconds * 1000));
    const at = now();
    if (turn(at) > turn(since)) {
      const name = `${schedule.name}-${stamp(at)}`;
      await snapshots.take([{ volume: volume.name, name, schedule: schedule.name }]);
      logger.info({ volume: volume.name, snapshot: name }, 'a snapshot was taken by its schedule');
    }
    const there = own();
    for (const { name } of there.slice(0, Math.max(0, there.length - schedule.keep))) await this.#remove(volume, name);
  }

  /** One that has clones or clients stays until it has none. */
  async #remove(volume: Volume, name: string): Promise<void> {
    const { snapshots, logger, removed } = this.#parts;
    try {
      await snapshots.remove(`${volume.name}@${name}`, false);
      removed();
      logger.info({ volume: volume.name, snapshot: name }, 'a snapshot was removed by its schedule');
    } catch (error) {
      if (errorKindOf(error) !== 'busy') throw error;
    }
  }
}

/** A time as it stands in the name of a snapshot: 20260131T235959Z. */
function stamp(ms: number): string {
  return new Date(ms).toISOString().replaceAll(/[-:]|\.\d+/g, '');
}
