/**
 * A file system's own maps of many small pieces count as taken by the data files: up to a block of 4 KiB for 340 pieces of as much in
 * ext4 (12 bytes each), which is 1/340.
 */
const hostShare = 1 / 128;

/** What a file system may take for the maps of so many bytes. */
const mapBytesOf = (bytes: number): number => Math.ceil(bytes * hostShare);

/**
 * Room that is kept for one store: until so many bytes are its own, nobody else may take what is missing of them. Its own is what no
 * snapshot has and no store that it was cloned from: what is shared is written to a new place, which takes room again.
 */
export class Reservation {
  readonly #own: () => number;
  readonly #isApart: boolean;
  #bytes = 0;
  /** The store's own that is home, as of the last look. */
  #ownBytes = 0;
  /** What was promised to the store and will be its own: of that, what is not recorded, and what the running checkpoint brings home. */
  #promisedBytes = 0;
  #unrecordedBytes = 0;
  #takenBytes = 0;
  /** A checkpoint has come home since it was set: what is its own is known. */
  #isSettled = false;

  /** `own`: counts the store's own, in bytes, at most what it has. `isApart`: it lies on a device, which no file system has maps of. */
  constructor(own: () => number, isApart = false) {
    this.#own = own;
    this.#isApart = isApart;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** What nobody else may take now. */
  get keptBytes(): number {
    return Math.max(0, this.#bytes - this.#ownBytes - this.#promisedBytes);
  }

  /** What is kept besides, for what the host takes to find it. */
  get hostBytes(): number {
    return this.hostBytesOf(this.#bytes);
  }

  /** The same if so many bytes were reserved. */
  hostBytesOf(bytes: number): number {
    return this.#isApart ? 0 : mapBytesOf(bytes);
  }

  /** What would be kept if so many bytes were reserved. */
  keptOf(bytes: number): number {
    return Math.max(0, bytes - this.#own() - this.#promisedBytes);
  }

  set(bytes: number): void {
    if (this.#bytes === 0 || bytes === 0) {
      this.#forget();
      this.#isSettled = false;
    }
    this.#bytes = bytes;
    this.#ownBytes = this.#own();
  }

  promise(bytes: number): void {
    this.#promisedBytes += bytes;
    this.#unrecordedBytes += bytes;
  }

  /** What was promised before room was reserved is recorded as well. */
  recorded(bytes: number): void {
    this.#unrecordedBytes = Math.max(0, this.#unrecordedBytes - bytes);
  }

  take(): void {
    this.#takenBytes = Math.max(0, this.#promisedBytes - this.#unrecordedBytes);
  }

  settle(): void {
    this.#promisedBytes -= this.#takenBytes;
    this.#takenBytes = 0;
    this.#isSettled = true;
    this.recount();
  }

  recount(): void {
    this.#ownBytes = this.#own();
  }

  /** A snapshot has all that the store has, and what was promised until now. */
  share(): void {
    this.#promisedBytes = 0;
    this.#takenBytes = 0;
    this.recount();
  }

  #forget(): void {
    this.#promisedBytes = 0;
    this.#unrecordedBytes = 0;
    this.#takenBytes = 0;
  }
}
