/** What a check finds, in the words and figures of `qemu-img check`. */
export type CheckResult = {
  /** What was found and is there still. */
  readonly corruptions: number;
  readonly leaks: number;
  readonly corruptionsFixed: number;
  readonly leaksFixed: number;
  readonly totalClusters: number;
  readonly allocatedClusters: number;
  readonly fragmentedClusters: number;
  readonly compressedClusters: number;
  /** Bytes: behind the last cluster that anybody has. */
  readonly imageEndOffset: number;
};

/** `leaks`: clusters that nobody has are given back. `all`: whatever else can be mended is. */
export type CheckRepair = 'none' | 'leaks' | 'all';

type Figures = { -readonly [K in keyof CheckResult]: CheckResult[K] };

/** Told of each thing that is found, in a line. */
export type Say = (line: string) => void;

/** Collects what a check finds. */
export class Findings {
  readonly figures: Figures = {
    corruptions: 0,
    leaks: 0,
    corruptionsFixed: 0,
    leaksFixed: 0,
    totalClusters: 0,
    allocatedClusters: 0,
    fragmentedClusters: 0,
    compressedClusters: 0,
    imageEndOffset: 0,
  };
  readonly say: Say;

  constructor(say: Say) {
    this.say = say;
  }

  /** `times`: so often the same is met, through so many tables. */
  corruption(line: string, times = 1): void {
    this.say(line);
    this.figures.corruptions += times;
  }

  mended(line: string): void {
    this.say(line);
    this.figures.corruptionsFixed += 1;
  }
}

export const hex = (value: bigint | number): string => value.toString(16);
