/** The L1 table of an image in memory: another one when it grows, or when a snapshot takes its place. */
export type L1Table = {
  entries: Buffer;
  /** Where it lies in the file. */
  offset: number;
};
