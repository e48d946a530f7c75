/** Places that are remembered: those of as many readers as go through a volume side by side. */
const places = 256;

/**
 * Tells reads that follow each other from reads of anywhere, by the windows that were read last: what lies around a block is worth
 * reading along only where somebody is about to come by.
 */
export class Locality {
  readonly #last = new Float64Array(places).fill(-1);

  /** Notes a read of a window; gives whether it, or the one before it, was read lately. Windows are numbered through. */
  isNear(window: number): boolean {
    const near = this.#has(window) || this.#has(window - 1);
    this.#last[window % places] = window;
    return near;
  }

  #has(window: number): boolean {
    return window >= 0 && this.#last[window % places] === window;
  }
}
