import type { Turn } from '@ashlar/core';
import type { Inbox, PooledBuffer } from '@ashlar/wire';
import type { ServedCall } from './served-call.ts';

/** Where the bytes of a call lie until it is answered; neither: in memory of their own. */
export type CallPlace = { readonly inbox?: Inbox; readonly buffer?: PooledBuffer };

/** A call from when it came until it is answered. */
export class HeldCall implements Turn {
  readonly xid: number;
  /** Bytes it counts for against the connection's bound. */
  readonly weight: number;
  readonly place: CallPlace;
  readonly #begin: (held: HeldCall) => void;
  cost = 0;
  behind: Turn | undefined;
  /** Until its turn has come. */
  call: ServedCall | undefined;

  constructor(xid: number, weight: number, place: CallPlace, begin: (held: HeldCall) => void) {
    this.xid = xid;
    this.weight = weight;
    this.place = place;
    this.#begin = begin;
  }

  begin(): void {
    this.#begin(this);
  }
}
