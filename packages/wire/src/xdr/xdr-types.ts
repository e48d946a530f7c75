import { AshlarError, assert } from '@ashlar/core';
import type { XdrReader } from './xdr-reader.ts';
import type { XdrWriter } from './xdr-writer.ts';

/** How one type is read and written: protocols are tables of these. */
export type XdrType<T> = {
  /** Throws `invalid`. */
  read(reader: XdrReader): T;
  write(writer: XdrWriter, value: T): void;
};

/** What a type of XDR is in TypeScript. */
export type ValueOf<X> = X extends XdrType<infer T> ? T : never;

export const xdrVoid: XdrType<void> = { read: () => undefined, write: () => undefined };
export const u32: XdrType<number> = {
  read: (reader) => reader.u32(),
  write: (writer, value) => void writer.u32(value),
};
export const i32: XdrType<number> = {
  read: (reader) => reader.i32(),
  write: (writer, value) => void writer.i32(value),
};
/** Of sizes and offsets: exact where they are accepted. */
export const u64: XdrType<number> = {
  read: (reader) => reader.u64(),
  write: (writer, value) => void writer.u64(value),
};
/** Of whatever else has 64 bits. */
export const bigU64: XdrType<bigint> = {
  read: (reader) => reader.bigU64(),
  write: (writer, value) => void writer.bigU64(value),
};
export const bool: XdrType<boolean> = {
  read: (reader) => reader.bool(),
  write: (writer, value) => void writer.bool(value),
};

export const fixed = (length: number): XdrType<Uint8Array> => ({
  read: (reader) => reader.fixed(length),
  write(writer, value) {
    assert(value.length === length, 'opaque data has the length that both know');
    writer.fixed(value);
  },
});

export const opaque = (mostBytes: number): XdrType<Uint8Array> => ({
  read: (reader) => reader.opaque(mostBytes),
  write(writer, value) {
    assert(value.length <= mostBytes, 'opaque data is within its bound');
    writer.opaque(value);
  },
});

export const text = (mostBytes: number): XdrType<string> => ({
  read: (reader) => reader.text(mostBytes),
  write(writer, value) {
    const bytes = Buffer.from(value, 'utf8');
    assert(bytes.length <= mostBytes, 'a string is within its bound');
    writer.opaque(bytes);
  },
});

/** One of the numbers [first, last]. */
export const oneOf = (what: string, first: number, last: number): XdrType<number> => ({
  read(reader) {
    const value = reader.u32();
    if (value < first || value > last) throw new AshlarError('invalid', `${value} is no ${what}`);
    return value;
  },
  write(writer, value) {
    assert(value >= first && value <= last, `${what} is one that is known`);
    writer.u32(value);
  },
});

type Fields<T> = { readonly [K in keyof T]: XdrType<T[K]> };

/** Items one behind the other, in the order in which they are named. */
export function struct<T extends object>(fields: Fields<T>): XdrType<T> {
  const entries = Object.entries(fields) as [keyof T & string, XdrType<unknown>][];
  return {
    read(reader) {
      const value: Record<string, unknown> = {};
      for (const [name, type] of entries) value[name] = type.read(reader);
      return value as T;
    },
    write(writer, value) {
      for (const [name, type] of entries) type.write(writer, value[name]);
    },
  };
}

/** A bool, and the item where it is true. */
export const optional = <T>(type: XdrType<T>): XdrType<T | undefined> => ({
  read: (reader) => (reader.bool() ? type.read(reader) : undefined),
  write(writer, value) {
    writer.bool(value !== undefined);
    if (value !== undefined) type.write(writer, value);
  },
});

/** So many of them, behind their number. */
export const array = <T>(type: XdrType<T>, most: number): XdrType<readonly T[]> => ({
  read(reader) {
    const count = reader.u32();
    if (count > most) throw new AshlarError('invalid', `${count} items are sent where at most ${most} may be`);
    const values: T[] = [];
    for (let at = 0; at < count; at += 1) values.push(type.read(reader));
    return values;
  },
  write(writer, values) {
    assert(values.length <= most, 'an array is within its bound');
    writer.u32(values.length);
    for (const value of values) type.write(writer, value);
  },
});

/** A linked list, as XDR has it: each item behind a true, and a false behind the last. */
export const list = <T>(type: XdrType<T>, most: number): XdrType<readonly T[]> => ({
  read(reader) {
    const values: T[] = [];
    while (reader.bool()) {
      if (values.length === most) throw new AshlarError('invalid', `a list goes on behind ${most} items`);
      values.push(type.read(reader));
    }
    return values;
  },
  write(writer, values) {
    assert(values.length <= most, 'a list is within its bound');
    for (const value of values) {
      writer.bool(true);
      type.write(writer, value);
    }
    writer.bool(false);
  },
});
