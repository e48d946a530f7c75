import { andThen, type BlockSizes, type Settled } from '@ashlar/core';
import { checkRange, closedError } from './check.ts';
import { InFlight } from './in-flight.ts';

/** What each device that does its own work has: what of it is under way, and whether it is closed. */
export abstract class OpenDevice {
  abstract readonly sizeBytes: number;
  abstract readonly blockSizes: BlockSizes;
  protected readonly inFlight = new InFlight();
  protected closed = false;

  protected check(operation: string, offset: number, length: number): void {
    this.checkOpen(operation);
    checkRange(this, operation, offset, length);
  }

  protected checkOpen(operation: string): void {
    if (this.closed) throw closedError(operation);
  }

  /** Closes it, once: `ended` is called when nothing is under way any more. */
  protected end(ended: () => Settled<void>): Settled<void> {
    if (this.closed) return;
    this.closed = true;
    return andThen(this.inFlight.idle(), ended);
  }
}
