import { magic } from './constants.ts';
import type { RequestHead } from './request.ts';

export const simpleReplySize = 16;
export const structuredReplySize = 20;
export const extendedReplySize = 32;

/** The request's fields that each of its replies repeats. */
export type Answered = Pick<RequestHead, 'cookieHigh' | 'cookieLow' | 'offsetHigh' | 'offsetLow'>;

/** proto.md, "Simple reply message". Gives the size. */
export function writeSimpleReply(view: DataView, at: number, error: number, request: Answered): number {
  view.setUint32(at, magic.simpleReply);
  view.setUint32(at + 4, error);
  view.setUint32(at + 8, request.cookieHigh);
  view.setUint32(at + 12, request.cookieLow);
  return simpleReplySize;
}

/**
 * The head of a chunk, structured or extended (proto.md, "Structured reply chunk message" and "Extended reply chunk message");
 * gives its size. `length` counts the bytes that follow the head, below 2^32.
 */
export function writeChunkHead(
  view: DataView,
  at: number,
  extended: boolean,
  flags: number,
  type: number,
  request: Answered,
  length: number,
): number {
  view.setUint32(at, extended ? magic.extendedReply : magic.structuredReply);
  view.setUint16(at + 4, flags);
  view.setUint16(at + 6, type);
  view.setUint32(at + 8, request.cookieHigh);
  view.setUint32(at + 12, request.cookieLow);
  if (!extended) {
    view.setUint32(at + 16, length);
    return structuredReplySize;
  }
  view.setUint32(at + 16, request.offsetHigh);
  view.setUint32(at + 20, request.offsetLow);
  view.setUint32(at + 24, 0);
  view.setUint32(at + 28, length);
  return extendedReplySize;
}

export function writeU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value % 2 ** 32);
}

/** 64 bits; above 2^53 not exact. */
export function readU64(view: DataView, at: number): number {
  return view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
}

/** The fields of any reply's head, as a client reads them. One object is used again for each. */
export class ReplyHead {
  kind: 'simple' | 'chunk' = 'simple';
  error = 0;
  flags = 0;
  type = 0;
  cookie = 0;
  length = 0;

  /** Gives the head's size, 0 while `available` bytes are too few, -1 where it is no reply. */
  decode(view: DataView, at: number, available: number): number {
    if (available < simpleReplySize) return 0;
    const start = view.getUint32(at);
    if (start === magic.simpleReply) {
      this.kind = 'simple';
      this.error = view.getUint32(at + 4);
      this.cookie = readU64(view, at + 8);
      this.length = 0;
      return simpleReplySize;
    }
    const extended = start === magic.extendedReply;
    if (!extended && start !== magic.structuredReply) return -1;
    if (available < (extended ? extendedReplySize : structuredReplySize)) return 0;
    this.kind = 'chunk';
    this.error = 0;
    this.flags = view.getUint16(at + 4);
    this.type = view.getUint16(at + 6);
    this.cookie = readU64(view, at + 8);
    this.length = extended ? readU64(view, at + 24) : view.getUint32(at + 16);
    return extended ? extendedReplySize : structuredReplySize;
  }
}
