/** Sessions of an NBD client as the bytes that it sends (proto.md): what a fuzzer begins with. */

export function option(type: number, data: Uint8Array = new Uint8Array(0)): Buffer {
  const head = Buffer.alloc(16);
  head.writeBigUInt64BE(0x49484156454f5054n, 0);
  head.writeUInt32BE(type, 8);
  head.writeUInt32BE(data.length, 12);
  return Buffer.concat([head, data]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function u16(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value, index * 2);
  return bytes;
}

export const clientFlags = Buffer.from([0, 0, 0, 3]);
const go = (name: string): Buffer => option(7, Buffer.concat([text(name), u16(4, 0, 1, 2, 3)]));
const info = (name: string): Buffer => option(6, Buffer.concat([text(name), u16(1, 3)]));
const contexts = (type: number, name: string, ...queries: readonly string[]): Buffer => {
  const count = Buffer.alloc(4);
  count.writeUInt32BE(queries.length);
  return option(type, Buffer.concat([text(name), count, ...queries.map(text)]));
};
const structured = option(8);
const extended = option(11);

type Request = { readonly type: number; readonly flags?: number; readonly offset?: number; readonly length?: number };

export function compact({ type, flags = 0, offset = 0, length = 0 }: Request, payload?: Uint8Array): Buffer {
  const head = Buffer.alloc(28);
  head.writeUInt32BE(0x25609513, 0);
  head.writeUInt16BE(flags, 4);
  head.writeUInt16BE(type, 6);
  head.writeBigUInt64BE(BigInt(type * 1000 + offset), 8);
  head.writeBigUInt64BE(BigInt(offset), 16);
  head.writeUInt32BE(payload?.length ?? length, 24);
  return payload === undefined ? head : Buffer.concat([head, payload]);
}

function long({ type, flags = 0, offset = 0, length = 0 }: Request, payload?: Uint8Array): Buffer {
  const head = Buffer.alloc(32);
  head.writeUInt32BE(0x21e41c71, 0);
  head.writeUInt16BE(payload === undefined ? flags : flags | 32, 4);
  head.writeUInt16BE(type, 6);
  head.writeBigUInt64BE(BigInt(type * 1000 + offset), 8);
  head.writeBigUInt64BE(BigInt(offset), 16);
  head.writeBigUInt64BE(BigInt(payload?.length ?? length), 24);
  return payload === undefined ? head : Buffer.concat([head, payload]);
}

function everything(request: typeof compact): Buffer[] {
  const payload = new Uint8Array(3000).fill(7);
  return [
    request({ type: 1, offset: 4096 }, payload),
    request({ type: 0, offset: 4096, length: 3000 }),
    request({ type: 0, offset: 0, length: 65536 }),
    request({ type: 3 }),
    request({ type: 4, flags: 1, offset: 8192, length: 4096 }),
    request({ type: 6, offset: 0, length: 1 << 20 }),
    request({ type: 6, flags: 2, offset: 512, length: 1024 }),
    request({ type: 5, offset: 0, length: 4096 }),
    request({ type: 7, offset: 0, length: 1 << 20 }),
    request({ type: 1, flags: 1, offset: 100 }, payload),
    request({ type: 2 }),
  ];
}

const name = 'disk';

/** Each in the pieces that it would be sent in. */
export const recordings: readonly (readonly Buffer[])[] = [
  [clientFlags, go(name), ...everything(compact)],
  [clientFlags, structured, contexts(10, name, 'base:allocation'), go(name), ...everything(compact)],
  [clientFlags, extended, contexts(10, name, 'base:allocation'), go(name), ...everything(long)],
  [clientFlags, option(3), info(name), info('nothing'), contexts(9, name), contexts(9, name, 'base:'), option(2)],
  [clientFlags, option(5), option(99, Buffer.alloc(50)), structured, structured, extended, extended, go('nothing')],
  [clientFlags, option(1, Buffer.from(name)), ...everything(compact)],
];
