import { stringFault } from './bytes.ts';
import { chunkType, command, commandFlag, maximumString, nameOfCommand, replyFlagDone } from './constants.ts';
import { expect } from './outcome.ts';

/** How headers look, as negotiated: neither of the options, NBD_OPT_STRUCTURED_REPLY or NBD_OPT_EXTENDED_HEADERS. */
export type Style = 'simple' | 'structured' | 'extended';

/** A request as it was sent. `length` is the effect's, in a write also the payload's. */
export type SentRequest = {
  readonly type: number;
  readonly flags: number;
  readonly cookie: bigint;
  readonly offset: bigint;
  readonly length: bigint;
};

export type Chunk = { readonly flags: number; readonly type: number; readonly payload: Buffer };

/** A run of bytes of one status. */
export type Extent = { readonly length: number; readonly status: bigint };

export type Content = { readonly offset: bigint; readonly length: bigint; readonly hole: boolean };

export type Reply = {
  /** 0 or the first error. */
  readonly error: number;
  readonly message: string;
  readonly simple: boolean;
  /** What was read, with holes filled; empty for what is no read, and for an error. */
  readonly data: Buffer;
  readonly contents: readonly Content[];
  readonly statuses: ReadonlyMap<number, readonly Extent[]>;
  /** All error chunks. */
  readonly errors: number;
};

const commandsWithErrorOffset = new Set<number>([
  command.read,
  command.write,
  command.trim,
  command.cache,
  command.writeZeroes,
  command.blockStatus,
]);

/** Puts the chunks of one reply together, and fails at each rule of "Structured reply types" that one breaks. */
export class Assembly {
  readonly request: SentRequest;
  #style: Style;
  #contextIds: readonly number[];
  #contents: Content[] = [];
  #pieces: { at: number; bytes: Buffer }[] = [];
  #statuses = new Map<number, Extent[]>();
  #errorOffsets: bigint[] = [];
  #error = 0;
  #errors = 0;
  #message = '';

  constructor(request: SentRequest, style: Style, contextIds: readonly number[]) {
    this.request = request;
    this.#style = style;
    this.#contextIds = contextIds;
  }

  get #name(): string {
    return nameOfCommand(this.request.type);
  }

  /** A simple reply, with the data that followed it. */
  simple(error: number, data: Buffer): Reply {
    const isRead = this.request.type === command.read;
    expect(this.#style !== 'extended', 'a simple reply came although extended headers were negotiated');
    expect(this.#style === 'simple' || !isRead, `${this.#name} got a simple reply although structured were negotiated`);
    const wantsPayload = this.request.type === command.blockStatus && error === 0;
    expect(!wantsPayload, 'NBD_CMD_BLOCK_STATUS succeeded by a simple reply, which has no extents');
    return { error, message: '', simple: true, data, contents: [], statuses: this.#statuses, errors: 0 };
  }

  /** The whole reply after its last chunk, undefined while more are to come. */
  chunk(chunk: Chunk): Reply | undefined {
    expect((chunk.flags & ~replyFlagDone) === 0, `a chunk's flags are 0x${chunk.flags.toString(16)}`);
    const done = (chunk.flags & replyFlagDone) !== 0;
    if (chunk.type === chunkType.none) this.#none(chunk, done);
    else if (chunk.type === chunkType.offsetData) this.#data(chunk.payload);
    else if (chunk.type === chunkType.offsetHole) this.#hole(chunk.payload);
    else if (chunk.type === chunkType.blockStatus) this.#status(chunk.payload);
    else if (chunk.type === chunkType.blockStatusExtended) this.#statusExtended(chunk.payload);
    else if (chunk.type === chunkType.error) this.#errorChunk(chunk.payload, false);
    else if (chunk.type === chunkType.errorOffset) this.#errorChunk(chunk.payload, true);
    else expect(false, `a chunk to ${this.#name} is of the unknown type ${chunk.type}`);
    return done ? this.#finish() : undefined;
  }

  #none({ payload }: Chunk, done: boolean): void {
    expect(payload.length === 0, `NBD_REPLY_TYPE_NONE has ${payload.length} bytes of payload`);
    expect(done, 'NBD_REPLY_TYPE_NONE is not marked as the last chunk');
  }

  #data(payload: Buffer): void {
    expect(payload.length >= 9, `NBD_REPLY_TYPE_OFFSET_DATA has ${payload.length} bytes, fewer than 9`);
    const offset = payload.readBigUInt64BE(0);
    this.#content({ offset, length: BigInt(payload.length - 8), hole: false });
    this.#pieces.push({ at: Number(offset - this.request.offset), bytes: payload.subarray(8) });
  }

  #hole(payload: Buffer): void {
    expect(payload.length === 12, `NBD_REPLY_TYPE_OFFSET_HOLE has ${payload.length} bytes, not 12`);
    const length = payload.readUInt32BE(8);
    expect(length > 0, 'a hole of no bytes was sent');
    this.#content({ offset: payload.readBigUInt64BE(0), length: BigInt(length), hole: true });
  }

  #content(content: Content): void {
    const { type, flags, offset, length } = this.request;
    expect(type === command.read, `${this.#name} got a chunk with contents`);
    const end = content.offset + content.length;
    const inside = content.offset >= offset && end <= offset + length;
    expect(inside, `contents at ${content.offset}+${content.length} lie outside the request's ${offset}+${length}`);
    const overlaps = this.#contents.some((other) => content.offset < other.offset + other.length && other.offset < end);
    expect(!overlaps, `contents at ${content.offset}+${content.length} overlap those of an earlier chunk`);
    const errored = this.#errorOffsets.some((at) => at >= content.offset && at < end);
    expect(!errored, `contents at ${content.offset}+${content.length} came after the error in them`);
    const whole = (flags & commandFlag.df) === 0 || this.#contents.length === 0;
    expect(whole, 'a second chunk with contents came although DF was set');
    this.#contents.push(content);
  }

  #status(payload: Buffer): void {
    expect(this.#style === 'structured', 'NBD_REPLY_TYPE_BLOCK_STATUS came with extended headers');
    const valid = payload.length >= 12 && (payload.length - 4) % 8 === 0;
    expect(valid, `NBD_REPLY_TYPE_BLOCK_STATUS has ${payload.length} bytes, which is not 4 + n × 8`);
    const extents: Extent[] = [];
    for (let at = 4; at < payload.length; at += 8) {
      extents.push({ length: payload.readUInt32BE(at), status: BigInt(payload.readUInt32BE(at + 4)) });
    }
    this.#extents(payload.readUInt32BE(0), extents);
  }

  #statusExtended(payload: Buffer): void {
    expect(this.#style === 'extended', 'NBD_REPLY_TYPE_BLOCK_STATUS_EXT came without extended headers');
    const valid = payload.length >= 24 && (payload.length - 8) % 16 === 0;
    expect(valid, `NBD_REPLY_TYPE_BLOCK_STATUS_EXT has ${payload.length} bytes, which is not 8 + n × 16`);
    const count = payload.readUInt32BE(4);
    const found = (payload.length - 8) / 16;
    expect(count === found, `NBD_REPLY_TYPE_BLOCK_STATUS_EXT says it has ${count} descriptors, and has ${found}`);
    const extents: Extent[] = [];
    for (let at = 8; at < payload.length; at += 16) {
      extents.push({ length: Number(payload.readBigUInt64BE(at)), status: payload.readBigUInt64BE(at + 8) });
    }
    this.#extents(payload.readUInt32BE(0), extents);
  }

  #extents(id: number, extents: readonly Extent[]): void {
    const { type, flags, length } = this.request;
    expect(type === command.blockStatus, `${this.#name} got a chunk of block status`);
    expect(this.#contextIds.includes(id), `a status chunk is of context ${id}, which was not selected`);
    expect(!this.#statuses.has(id), `a second status chunk came of context ${id}`);
    expect(
      extents.every((extent) => extent.length > 0),
      'an extent of no bytes was sent',
    );
    const wanted = Number(length);
    if ((flags & commandFlag.reqOne) !== 0) {
      expect(extents.length === 1, `${extents.length} extents came although REQ_ONE was set`);
      const fits = extents[0]!.length <= wanted || wanted === 0;
      expect(fits, `an extent of ${extents[0]!.length} bytes came to a REQ_ONE request of ${wanted}`);
    }
    const before = extents.slice(0, -1).reduce((sum, extent) => sum + extent.length, 0);
    const needed = extents.length === 1 || before < wanted;
    expect(needed, `all extents but the last have ${before} bytes, not fewer than the request's ${wanted}`);
    this.#statuses.set(id, [...extents]);
  }

  #errorChunk(payload: Buffer, hasOffset: boolean): void {
    const name = hasOffset ? 'NBD_REPLY_TYPE_ERROR_OFFSET' : 'NBD_REPLY_TYPE_ERROR';
    const fixed = hasOffset ? 14 : 6;
    expect(payload.length >= fixed, `${name} has ${payload.length} bytes, fewer than ${fixed}`);
    const error = payload.readUInt32BE(0);
    expect(error !== 0, `${name} has the error 0`);
    const length = payload.readUInt16BE(4);
    expect(length <= payload.length - fixed, `${name} says that its message has ${length} bytes, more than there are`);
    const message = payload.subarray(6, 6 + length);
    const fault = stringFault(message, maximumString);
    expect(fault === undefined, `the message of ${name} ${fault}`);
    if (hasOffset) {
      expect(commandsWithErrorOffset.has(this.request.type), `${this.#name} got ${name}`);
      const offset = payload.readBigUInt64BE(6 + length);
      const inside = offset >= this.request.offset && offset < this.request.offset + this.request.length;
      expect(inside, `${name} is at ${offset}, outside the request`);
      this.#errorOffsets.push(offset);
    }
    if (this.#errors === 0) {
      this.#error = error;
      this.#message = message.toString();
    }
    this.#errors++;
  }

  #finish(): Reply {
    const { type, length } = this.request;
    if (this.#errors === 0 && type === command.read) {
      const sent = this.#contents.reduce((sum, content) => sum + content.length, 0n);
      expect(sent === length, `${sent} of ${length} bytes were sent before the reply was marked as complete`);
    }
    if (this.#errors === 0 && type === command.blockStatus) {
      const missing = this.#contextIds.filter((id) => !this.#statuses.has(id));
      expect(missing.length === 0, `no status chunk came of context ${missing.join(', ')}`);
    }
    return {
      error: this.#error,
      message: this.#message,
      simple: false,
      data: this.#errors === 0 && type === command.read ? this.#gather(Number(length)) : Buffer.alloc(0),
      contents: this.#contents,
      statuses: this.#statuses,
      errors: this.#errors,
    };
  }

  #gather(length: number): Buffer {
    const [only] = this.#pieces;
    if (this.#pieces.length === 1 && only!.bytes.length === length) return only!.bytes;
    const data = Buffer.alloc(length);
    for (const { at, bytes } of this.#pieces) bytes.copy(data, at);
    return data;
  }
}
