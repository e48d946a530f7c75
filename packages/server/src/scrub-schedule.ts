import {
  AshlarError,
  errorKindOf,
  foundDamage,
  type Scheduler,
  type ScrubCommand,
  type ScrubReport,
  type Timer,
} from '@ashlar/core';
import type { Logger } from 'pino';
import { lastScrub } from './scrub-view.ts';

type Parts = {
  readonly scrub: (command: ScrubCommand) => Promise<ScrubReport>;
  /** As they are configured now; no days: never. */
  readonly everyDays: () => number;
  readonly bytesPerSecond: () => number | null;
  readonly scheduler: Scheduler;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
};

/** How often it looks whether one is due, and whether one has ended. */
const lookMs = 60_000;
const dayMs = 86_400_000;

/**
 * Begins a scrub when the last one began long enough ago, or the pool was made then and never had one. One that is under way or paused is
 * left alone: after a restart it goes on by itself. What each has found is logged when it has ended.
 */
export class ScrubSchedule {
  readonly #parts: Parts;
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  #stopped = false;
  /** That one was under way at the last look. */
  #isUnderWay = false;

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

  /** Begins one that is due now. What fails is logged, and tried again at the next look. */
  async look(): Promise<void> {
    const { scrub, logger } = this.#parts;
    try {
      const report = await scrub({ action: 'status' });
      this.#tell(report);
      if (!this.#isDue(report)) return;
      await scrub({ action: 'start', bytesPerSecond: this.#parts.bytesPerSecond() });
      this.#isUnderWay = true;
      logger.info('a scrub was begun by its schedule');
    } catch (error) {
      if (!(error instanceof AshlarError)) throw error;
      // Somebody began one meanwhile.
      if (errorKindOf(error) !== 'busy') logger.warn({ reason: error.message }, 'a scrub was not begun');
    }
  }

  #isDue({ state, startedMs, sinceMs }: ScrubReport): boolean {
    const days = this.#parts.everyDays();
    if (days === 0 || isUnderWay(state)) return false;
    return this.#parts.now() - (startedMs ?? sinceMs) >= days * dayMs;
  }

  #tell(report: ScrubReport): void {
    const wasUnderWay = this.#isUnderWay;
    this.#isUnderWay = isUnderWay(report.state);
    if (!wasUnderWay || this.#isUnderWay) return;
    const facts = lastScrub(report);
    if (foundDamage(report)) this.#parts.logger.warn(facts, "a scrub found damage: 'ashlar scrub status' says where");
    else this.#parts.logger.info(facts, 'a scrub ended and found no damage');
  }
}

const isUnderWay = (state: ScrubReport['state']): boolean => state === 'running' || state === 'paused';
