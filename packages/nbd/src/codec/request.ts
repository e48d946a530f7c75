import { magic } from './constants.ts';

export const compactRequestSize = 28;
export const extendedRequestSize = 32;

const half = 2 ** 32;

/**
 * A request's header (proto.md, "Request message"). One object is used again for each: nothing is allocated. Offset and
 * length above 2^53 are not exact, and larger than any device; the offset's halves always are.
 */
export class RequestHead {
  flags = 0;
  type = 0;
  cookieHigh = 0;
  cookieLow = 0;
  offsetHigh = 0;
  offsetLow = 0;
  /** Bytes. */
  offset = 0;
  /** Bytes of the payload or of the range, as the flags and the type say. */
  length = 0;

  /** Reads a header of `compactRequestSize` or `extendedRequestSize`; false where its magic is not right. */
  decode(view: DataView, at: number, extended: boolean): boolean {
    if (view.getUint32(at) !== (extended ? magic.extendedRequest : magic.request)) return false;
    this.flags = view.getUint16(at + 4);
    this.type = view.getUint16(at + 6);
    this.cookieHigh = view.getUint32(at + 8);
    this.cookieLow = view.getUint32(at + 12);
    this.offsetHigh = view.getUint32(at + 16);
    this.offsetLow = view.getUint32(at + 20);
    this.offset = this.offsetHigh * half + this.offsetLow;
    this.length = extended ? view.getUint32(at + 24) * half + view.getUint32(at + 28) : view.getUint32(at + 24);
    return true;
  }

  /** Writes the header from flags, type, cookie, offset and length; gives its size. */
  encode(view: DataView, at: number, extended: boolean): number {
    view.setUint32(at, extended ? magic.extendedRequest : magic.request);
    view.setUint16(at + 4, this.flags);
    view.setUint16(at + 6, this.type);
    view.setUint32(at + 8, this.cookieHigh);
    view.setUint32(at + 12, this.cookieLow);
    view.setUint32(at + 16, Math.floor(this.offset / half));
    view.setUint32(at + 20, this.offset % half);
    if (!extended) {
      view.setUint32(at + 24, this.length);
      return compactRequestSize;
    }
    view.setUint32(at + 24, Math.floor(this.length / half));
    view.setUint32(at + 28, this.length % half);
    return extendedRequestSize;
  }
}
