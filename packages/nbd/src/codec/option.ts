import { AshlarError } from '@ashlar/core';
import { ByteReader, ByteWriter } from '@ashlar/wire';
import { magic } from './constants.ts';

/** Strings of the protocol are at most this long (proto.md, "Values"). */
export const longestString = 4096;

export function encodeGreeting(flags: number): Uint8Array {
  return new ByteWriter(18)
    .u32(magic.nbdHigh)
    .u32(magic.nbdLow)
    .u32(magic.optionHigh)
    .u32(magic.optionLow)
    .u16(flags)
    .finish();
}

export function encodeOption(option: number, data: Uint8Array): Uint8Array {
  return new ByteWriter(16 + data.length)
    .u32(magic.optionHigh)
    .u32(magic.optionLow)
    .u32(option)
    .u32(data.length)
    .bytes(data)
    .finish();
}

/** The 16 bytes before an option's data. Throws `invalid` where they are none. */
export function decodeOptionHead(bytes: Uint8Array): { readonly option: number; readonly length: number } {
  const reader = new ByteReader(bytes);
  if (reader.u32() !== magic.optionHigh || reader.u32() !== magic.optionLow) {
    throw new AshlarError('invalid', 'the client sent something else than an option');
  }
  return { option: reader.u32(), length: reader.u32() };
}

export function encodeOptionReply(option: number, type: number, data: Uint8Array): Uint8Array {
  return new ByteWriter(20 + data.length)
    .u32(magic.optionReplyHigh)
    .u32(magic.optionReplyLow)
    .u32(option)
    .u32(type)
    .u32(data.length)
    .bytes(data)
    .finish();
}

export function decodeOptionReplyHead(bytes: Uint8Array): {
  readonly option: number;
  readonly type: number;
  readonly length: number;
} {
  const reader = new ByteReader(bytes);
  if (reader.u32() !== magic.optionReplyHigh || reader.u32() !== magic.optionReplyLow) {
    throw new AshlarError('invalid', 'the server sent something else than a reply to an option');
  }
  return { option: reader.u32(), type: reader.u32(), length: reader.u32() };
}

/** NBD_OPT_INFO and NBD_OPT_GO: name, then the informations asked for. Throws `invalid` unless it fills its length. */
export function decodeInfoRequest(data: Uint8Array): { readonly name: string; readonly wanted: readonly number[] } {
  const reader = new ByteReader(data);
  const name = readString(reader);
  const wanted = Array.from({ length: reader.u16() }, () => reader.u16());
  mustEnd(reader);
  return { name, wanted };
}

export function encodeInfoRequest(name: string, wanted: readonly number[]): Uint8Array {
  const writer = writeString(new ByteWriter(), name).u16(wanted.length);
  for (const type of wanted) writer.u16(type);
  return writer.finish();
}

/** NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT: name, then queries. */
export function decodeContextRequest(data: Uint8Array): { readonly name: string; readonly queries: readonly string[] } {
  const reader = new ByteReader(data);
  const name = readString(reader);
  const count = reader.u32();
  if (count * 4 > reader.rest) throw new AshlarError('invalid', 'more queries are announced than there are');
  const queries = Array.from({ length: count }, () => readString(reader));
  mustEnd(reader);
  return { name, queries };
}

export function encodeContextRequest(name: string, queries: readonly string[]): Uint8Array {
  const writer = writeString(new ByteWriter(), name).u32(queries.length);
  for (const query of queries) writeString(writer, query);
  return writer.finish();
}

/** NBD_REP_SERVER: name with its length, then the description to the end. */
export function encodeServerReply(name: string, description: string): Uint8Array {
  return writeString(new ByteWriter(), name).utf8(description).finish();
}

function readString(reader: ByteReader): string {
  const length = reader.u32();
  if (length > longestString) throw new AshlarError('invalid', 'a name is longer than 4,096 bytes');
  return reader.utf8(length);
}

function writeString(writer: ByteWriter, text: string): ByteWriter {
  const bytes = Buffer.from(text, 'utf8');
  return writer.u32(bytes.length).bytes(bytes);
}

function mustEnd(reader: ByteReader): void {
  if (reader.rest !== 0) throw new AshlarError('invalid', "an option's data are longer than what is in them");
}
