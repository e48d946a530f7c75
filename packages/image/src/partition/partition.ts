/** A part of a disk. Numbers are those that Linux gives them: `/dev/sda5` is number 5. */
export type Partition = {
  readonly number: number;
  /** Bytes, from the beginning of the disk. */
  readonly offset: number;
  readonly sizeBytes: number;
  /** Of GPT alone; empty where it has none. */
  readonly name: string;
};

/** Reads so many bytes of the disk, which are inside of it. */
export type ReadDisk = (offset: number, length: number) => Promise<Buffer>;
