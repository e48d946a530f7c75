/** What a share opens a file for, and what it keeps others from (SHARE of NLM: bits of read 1 and write 2). */
export type Share = {
  /** The machine, and who has the file open there. */
  readonly client: string;
  readonly owner: string;
  readonly access: number;
  readonly denied: number;
};

/** Bounds what a client can make us keep. */
const mostShares = 100_000;

/** Files as DOS has them open: for something, and denied to others. */
export class ShareTable {
  readonly #shares = new Map<string, Share[]>();
  #count = 0;

  /** Gives whether it may be so: nobody else denies what is wanted or has what is denied. An owner's earlier one is replaced. */
  take(file: string, wanted: Share): boolean {
    const others = (this.#shares.get(file) ?? []).filter((each) => !isSame(each, wanted));
    const isFree = others.every((each) => (each.denied & wanted.access) === 0 && (each.access & wanted.denied) === 0);
    if (!isFree || this.#count >= mostShares) return false;
    this.#set(file, [...others, wanted]);
    return true;
  }

  free(file: string, { client, owner }: Pick<Share, 'client' | 'owner'>): void {
    const shares = this.#shares.get(file) ?? [];
    this.#set(
      file,
      shares.filter((each) => !isSame(each, { client, owner })),
    );
  }

  /** A machine is new. */
  forget(client: string): void {
    for (const [file, shares] of this.#shares) {
      this.#set(
        file,
        shares.filter((each) => each.client !== client),
      );
    }
  }

  #set(file: string, shares: Share[]): void {
    this.#count += shares.length - (this.#shares.get(file)?.length ?? 0);
    if (shares.length === 0) this.#shares.delete(file);
    else this.#shares.set(file, shares);
  }
}

const isSame = (one: Pick<Share, 'client' | 'owner'>, other: Pick<Share, 'client' | 'owner'>): boolean =>
  one.client === other.client && one.owner === other.owner;
