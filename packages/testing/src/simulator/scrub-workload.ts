import { errorKindOf, type AshlarError, type ScrubCommand, type ScrubReport } from '@ashlar/core';
import type { SeededRandom } from '../seeded-random.ts';
import type { Flights } from './flights.ts';
import { Problem, type Stepper } from './stepper.ts';
import type { SimulatedPool } from './volume.ts';

/** Tasks of the machine after which a scrub that has not ended never will. */
const patience = 20_000;
const slowBytesPerSecond = 8 * 1024 * 1024;

export type ScrubWorkloadParts = {
  readonly random: SeededRandom;
  readonly flights: Flights;
  readonly note: (line: string) => void;
  readonly problem: (sentence: string) => void;
  readonly failed: (name: string, error: AshlarError, needsRoom: boolean) => void;
  /** The disk fails in this machine's life, or it is damaged. */
  readonly mayFail: () => boolean;
};

/** Starts, pauses, goes on with and stops scrubs at random. On a disk that is well they find nothing, whatever is done meanwhile. */
export class ScrubWorkload {
  readonly #parts: ScrubWorkloadParts;
  #state: ScrubReport['state'] = 'never';
  /** A report outlives its process: what could not be read in an earlier life may be in it. */
  #hasFailed = false;

  constructor(parts: ScrubWorkloadParts) {
    this.#parts = parts;
  }

  /** The process has ended: another one comes. */
  ended(): void {
    this.#hasFailed ||= this.#parts.mayFail();
    this.#state = 'never';
  }

  /** One command, beside whatever is in flight. */
  issue(pool: SimulatedPool): void {
    const { random, flights, note, failed } = this.#parts;
    const isUnderWay = this.#state === 'running' || this.#state === 'paused';
    const action = isUnderWay ? random.pick(['status', 'pause', 'resume', 'stop'] as const) : 'start';
    const command: ScrubCommand = random.oneIn(2) ? { action } : { action, bytesPerSecond: slowBytesPerSecond };
    const event = flights.event(`scrub: ${action}`);
    note(`[${event.calledAt}] ${event.name}`);
    flights.start(
      event,
      () => pool.scrub(command),
      (report) => this.#saw(report),
      (error) => {
        // It has ended meanwhile, or one that a restart interrupted goes on.
        if (error.kind === 'not-found') this.#state = 'done';
        else if (error.kind === 'busy') this.#state = 'running';
        else failed(event.name, error, false);
      },
    );
  }

  /** Lets one run from the beginning to its end, with nothing else in flight. */
  async finish(pool: SimulatedPool, stepper: Stepper): Promise<ScrubReport> {
    const obey = (action: ScrubCommand['action']): Promise<ScrubReport> =>
      stepper.finish(`scrub: ${action}`, () => pool.scrub({ action }));
    this.#saw(await obey('status'));
    if (this.#state === 'paused' || this.#state === 'running') {
      await stepper.finish('scrub: stop', () => stopOf(pool));
    }
    await obey('start');
    for (let count = 0; count < patience; count += 1) {
      const report = await obey('status');
      this.#saw(report);
      if (report.state === 'done') {
        this.#parts.note(`the scrub has read ${report.doneBytes} bytes`);
        return report;
      }
      await stepper.step();
    }
    throw new Problem('a scrub never ends');
  }

  #saw(report: ScrubReport): void {
    const { problem, mayFail } = this.#parts;
    this.#state = report.state;
    const { damagedBytes, damagedPages, findings } = report;
    if ((damagedBytes === 0 && damagedPages === 0 && findings.length === 0) || mayFail() || this.#hasFailed) return;
    problem(`a scrub calls ${damagedBytes} bytes and ${damagedPages} pages damaged: ${JSON.stringify(findings)}`);
  }
}

/** It may end by itself before it is stopped. */
async function stopOf(pool: SimulatedPool): Promise<void> {
  try {
    await pool.scrub({ action: 'stop' });
  } catch (error) {
    if (errorKindOf(error) !== 'not-found') throw error;
  }
}
