import { andThen, assert, type ObjectId, type ObjectStore, type Settled } from '@ashlar/core';
import { regionAt, regionBytes } from './regions.ts';
import { together } from './together.ts';

export type BytesStore = Pick<ObjectStore, 'read' | 'write' | 'trim' | 'extents'>;

/** A run of a file within one region: where in the file it begins, and where in the tree's object; -1: nothing was written there. */
type Piece = { readonly offset: number; readonly length: number; readonly at: number };

/** Reads and writes bytes of files in the object that all of a tree lie in. */
export class FileBytes {
  readonly #store: BytesStore;
  readonly #object: ObjectId;

  constructor(store: BytesStore, object: ObjectId) {
    this.#store = store;
    this.#object = object;
  }

  /** Where there is no region it reads as zeros. `regions`: where each of the file's begins, in their order. */
  read(regions: readonly number[], offset: number, into: Uint8Array): Settled<void> {
    return eachPiece(regions, offset, into.length, (piece) => {
      const part = into.subarray(piece.offset - offset, piece.offset - offset + piece.length);
      if (piece.at >= 0) return this.#store.read(this.#object, piece.at, part);
      part.fill(0);
    });
  }

  /** Each byte has a region. */
  write(regions: readonly number[], offset: number, from: Uint8Array): Settled<void> {
    return eachPiece(regions, offset, from.length, (piece) => {
      assert(piece.at >= 0, 'what is written has a region');
      const part = from.subarray(piece.offset - offset, piece.offset - offset + piece.length);
      return this.#store.write(this.#object, piece.at, part, false);
    });
  }

  /** Reads as zeros afterwards, and takes no room. */
  trim(regions: readonly number[], offset: number, length: number): Settled<void> {
    return eachPiece(regions, offset, length, (piece) => {
      if (piece.at >= 0) return this.#store.trim(this.#object, piece.at, piece.length, false);
    });
  }

  /** Whether nothing of a range is a hole. */
  haveRoom(regions: readonly number[], offset: number, length: number): Settled<boolean> {
    let isWhole = true;
    const looked = eachPiece(regions, offset, length, (piece) => {
      if (piece.at < 0) isWhole = false;
      else {
        return andThen(this.#store.extents(this.#object, piece.at, piece.length, 1), ([first]) => {
          isWhole &&= first?.state === 'data' && first.length >= piece.length;
        });
      }
    });
    return andThen(looked, () => isWhole);
  }
}

const eachPiece = (
  regions: readonly number[],
  offset: number,
  length: number,
  run: (piece: Piece) => Settled<void>,
): Settled<void> => together(piecesOf(regions, offset, length).map((piece) => () => run(piece)));

/** A range of a file, cut where its regions end. */
function piecesOf(regions: readonly number[], offset: number, length: number): Piece[] {
  const pieces: Piece[] = [];
  for (let at = offset; at < offset + length;) {
    const region = regionAt(at);
    const end = Math.min(offset + length, region.offset + regionBytes(region.regionClass));
    const base = regions[region.index] ?? -1;
    pieces.push({ offset: at, length: end - at, at: base < 0 ? -1 : base + at - region.offset });
    at = end;
  }
  return pieces;
}
