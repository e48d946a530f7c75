import { countedString, stringFault, u16, u32, u64 } from './bytes.ts';
import { info, isErrorReply, magic, maximumString, nameOfOption, nameOfOptionReply, optionReply } from './constants.ts';
import { expect, Failed } from './outcome.ts';
import type { RawConnection } from './raw-client.ts';

export type OptionReply = { readonly type: number; readonly data: Buffer };

/** All replies to one option; the last one is final. */
export type OptionReplies = { readonly final: OptionReply; readonly before: readonly OptionReply[] };

/** No reply to an option has a reason to be longer: a string of 4096 bytes, or a name and a description. */
const maximumReply = 2 ** 16;
const maximumReplies = 10_000;

/** One option as bytes. `length` is what the header says, where that is to differ from the data. */
export const encodeOption = (number: number, data: Buffer = Buffer.alloc(0), length = data.length): Buffer =>
  Buffer.concat([u64(magic.option), u32(number), u32(length), data]);

/** Data of NBD_OPT_INFO and NBD_OPT_GO. */
export const infoData = (name: string | Buffer, requests: readonly number[]): Buffer =>
  Buffer.concat([countedString(name), u16(requests.length), ...requests.map(u16)]);

/** Data of NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT. */
export const contextData = (name: string, queries: readonly (string | Buffer)[]): Buffer =>
  Buffer.concat([countedString(name), u32(queries.length), ...queries.map(countedString)]);

export type BlockSize = { readonly minimum: number; readonly preferred: number; readonly maximum: number };

export type ExportInfo = {
  readonly size: number;
  readonly flags: number;
  readonly blockSize?: BlockSize;
  readonly name?: string;
  readonly description?: string;
  /** Types of all information replies, in their order. */
  readonly types: readonly number[];
};

function sizeOf(bytes: Buffer, offset: number): number {
  const size = bytes.readBigUInt64BE(offset);
  expect(size <= BigInt(Number.MAX_SAFE_INTEGER), `the export's size is ${size} bytes, more than this suite counts to`);
  return Number(size);
}

function string(bytes: Buffer, what: string): string {
  const fault = stringFault(bytes, maximumString);
  expect(fault === undefined, `${what} ${fault}`);
  return bytes.toString();
}

/** Size and flags as NBD_OPT_EXPORT_NAME's reply has them. */
export const parseExport = (bytes: Buffer): { size: number; flags: number } => ({
  size: sizeOf(bytes, 0),
  flags: bytes.readUInt16BE(8),
});

/** What the NBD_REP_INFO replies say. Throws Failed where one is malformed or NBD_INFO_EXPORT is missing. */
export function parseInfo(replies: readonly OptionReply[]): ExportInfo {
  const types: number[] = [];
  let found: { size: number; flags: number } | undefined;
  const more: { blockSize?: BlockSize; name?: string; description?: string } = {};
  for (const { type, data } of replies) {
    expect(type === optionReply.info, `an information reply is ${nameOfOptionReply(type)}`);
    expect(data.length >= 2, `an information reply has ${data.length} bytes, too few for its type`);
    const kind = data.readUInt16BE(0);
    types.push(kind);
    if (kind === info.export) {
      expect(data.length === 12, `NBD_INFO_EXPORT is ${data.length} bytes long, not 12`);
      found = parseExport(data.subarray(2));
    } else if (kind === info.blockSize) {
      expect(data.length === 14, `NBD_INFO_BLOCK_SIZE is ${data.length} bytes long, not 14`);
      more.blockSize = {
        minimum: data.readUInt32BE(2),
        preferred: data.readUInt32BE(6),
        maximum: data.readUInt32BE(10),
      };
    } else if (kind === info.name) more.name = string(data.subarray(2), 'the name in NBD_INFO_NAME');
    else if (kind === info.description) more.description = string(data.subarray(2), 'NBD_INFO_DESCRIPTION');
  }
  expect(found !== undefined, 'the server accepted the export without NBD_INFO_EXPORT');
  return { ...found, ...more, types };
}

export type Context = { readonly id: number; readonly name: string };

/** The metadata contexts of replies to LIST_META_CONTEXT or SET_META_CONTEXT. */
export function parseContexts(replies: readonly OptionReply[]): Context[] {
  return replies.map(({ type, data }) => {
    expect(type === optionReply.metaContext, `a reply is ${nameOfOptionReply(type)}, not NBD_REP_META_CONTEXT`);
    expect(data.length > 4, `NBD_REP_META_CONTEXT has ${data.length} bytes, too few for an id and a name`);
    return { id: data.readUInt32BE(0), name: string(data.subarray(4), "a context's name") };
  });
}

/** The exports of replies to NBD_OPT_LIST. */
export function parseServers(replies: readonly OptionReply[]): string[] {
  return replies.map(({ type, data }) => {
    expect(type === optionReply.server, `a reply is ${nameOfOptionReply(type)}, not NBD_REP_SERVER`);
    expect(data.length >= 4, `NBD_REP_SERVER has ${data.length} bytes, too few for the length of a name`);
    const length = data.readUInt32BE(0);
    expect(length <= data.length - 4, `NBD_REP_SERVER says its name has ${length} bytes, and has ${data.length - 4}`);
    string(data.subarray(4 + length), "an export's description");
    return string(data.subarray(4, 4 + length), "an export's name");
  });
}

/** The option phase of one connection. */
export class Negotiation {
  readonly connection: RawConnection;
  readonly handshakeFlags: number;
  /** What the client answered. */
  clientFlags = 0;

  private constructor(connection: RawConnection, handshakeFlags: number) {
    this.connection = connection;
    this.handshakeFlags = handshakeFlags;
  }

  /** Reads the server's greeting; the client's flags are the caller's to send. */
  static async greet(connection: RawConnection): Promise<Negotiation> {
    const bytes = await connection.read(16, 'the greeting');
    const first = bytes.readBigUInt64BE(0);
    expect(first === magic.greeting, `the greeting starts with 0x${first.toString(16)}, not with NBDMAGIC`);
    const second = bytes.readBigUInt64BE(8);
    expect(second !== magic.oldstyle, 'the server speaks oldstyle negotiation, which has no options');
    expect(second === magic.option, `the greeting goes on with 0x${second.toString(16)}, not with IHAVEOPT`);
    return new Negotiation(connection, (await connection.read(2, "the server's flags")).readUInt16BE(0));
  }

  sendFlags(flags: number): Promise<void> {
    this.clientFlags = flags;
    return this.connection.write(u32(flags));
  }

  send(number: number, data?: Buffer, length?: number): Promise<void> {
    return this.connection.write(encodeOption(number, data, length));
  }

  /** One reply to the option `number`. */
  async reply(number: number): Promise<OptionReply> {
    const header = await this.connection.read(20, `a reply to ${nameOfOption(number)}`);
    const found = header.readBigUInt64BE(0);
    expect(found === magic.optionReply, `the reply to ${nameOfOption(number)} starts with 0x${found.toString(16)}`);
    const echoed = header.readUInt32BE(8);
    expect(echoed === number, `the reply to ${nameOfOption(number)} names ${nameOfOption(echoed)}`);
    const type = header.readUInt32BE(12);
    const length = header.readUInt32BE(16);
    expect(length <= maximumReply, `${nameOfOptionReply(type)} says that ${length} bytes follow`);
    const data = await this.connection.read(length, `the data of ${nameOfOptionReply(type)}`);
    expect(
      type !== optionReply.ack || length === 0,
      `NBD_REP_ACK to ${nameOfOption(number)} has ${length} bytes of data`,
    );
    const fault = isErrorReply(type) ? stringFault(data, maximumString) : undefined;
    expect(fault === undefined, `the message of ${nameOfOptionReply(type)} ${fault}`);
    return { type, data };
  }

  /** All replies to the option `number`, to the final one. */
  async replies(number: number): Promise<OptionReplies> {
    const before: OptionReply[] = [];
    while (before.length < maximumReplies) {
      const reply = await this.reply(number);
      if (reply.type === optionReply.ack || isErrorReply(reply.type)) return { final: reply, before };
      before.push(reply);
    }
    throw new Failed(`${nameOfOption(number)} has more than ${maximumReplies} replies`);
  }

  async ask(number: number, data?: Buffer, length?: number): Promise<OptionReplies> {
    await this.send(number, data, length);
    return this.replies(number);
  }

  /** Asks, and fails unless the final reply is one of `types`. */
  async expect(number: number, data: Buffer | undefined, ...types: readonly number[]): Promise<OptionReplies> {
    const replies = await this.ask(number, data);
    const wanted = types.map(nameOfOptionReply).join(' or ');
    const { type } = replies.final;
    expect(
      types.includes(type),
      `${nameOfOption(number)} was answered by ${nameOfOptionReply(type)}, not by ${wanted}`,
    );
    return replies;
  }

  async acknowledged(number: number, data?: Buffer): Promise<readonly OptionReply[]> {
    return (await this.expect(number, data, optionReply.ack)).before;
  }
}
