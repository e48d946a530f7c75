import type { BlockDevice } from '@ashlar/core';
import { command, commandFlag, errorCode, transmissionFlag } from '../codec/constants.ts';
import type { RequestHead } from '../codec/request.ts';
import { largestPayload } from './buffer-pool.ts';
import type { Negotiated } from './negotiation.ts';

/** Why a request does not reach the device. */
export type Refusal = { readonly error: number; readonly sentence: string };

function refusal(error: number, sentence: string): Refusal {
  return { error, sentence };
}

const unknownCommand = refusal(errorCode.EINVAL, 'the command is not known, or was not offered');
const unknownFlag = refusal(errorCode.EINVAL, 'the command does not have that flag');
const flushRange = refusal(errorCode.EINVAL, 'a flush has no offset and no length');
const exportReadOnly = refusal(errorCode.EPERM, 'the export is read-only');
const noPayload = refusal(errorCode.EINVAL, 'a write without a payload');
const noContext = refusal(errorCode.EINVAL, 'no metadata context was negotiated');
const emptyRange = refusal(errorCode.EINVAL, 'the range is empty');
const longRead = refusal(errorCode.EOVERFLOW, 'a read above the maximum payload');
const longSimpleRead = refusal(errorCode.EINVAL, 'a read above the maximum payload');
const longWrite = refusal(errorCode.EINVAL, 'a write above the maximum payload');
const beyondEnd = refusal(errorCode.EINVAL, 'the range goes beyond the end of the export');
const writeBeyondEnd = refusal(errorCode.ENOSPC, 'the range goes beyond the end of the export');
const unaligned = refusal(errorCode.EINVAL, 'offset and length must be multiples of the minimum block size');
const notFast = refusal(errorCode.ENOTSUP, 'zeroing is not faster than writing here');

/** The largest payload of a read or write of this device, in bytes. */
export function maximumPayload(device: Pick<BlockDevice, 'blockSizes'>): number {
  return Math.min(device.blockSizes.maximum, largestPayload);
}

/** What was agreed on, in the form in which each request is checked against it. */
export class RequestRules {
  readonly #device: BlockDevice;
  readonly #readOnly: boolean;
  readonly #negotiated: Negotiated;
  /** Flags by command; a command that is not there is not offered. */
  readonly #flags: readonly (number | undefined)[];
  readonly #extended: boolean;
  /** The largest size the device had on this connection. */
  #largestSize: number;

  constructor(device: BlockDevice, readOnly: boolean, negotiated: Negotiated) {
    this.#device = device;
    this.#readOnly = readOnly;
    this.#negotiated = negotiated;
    this.#extended = negotiated.replies === 'extended';
    this.#flags = commandFlags(negotiated);
    this.#largestSize = device.sizeBytes;
  }

  /** Nothing where the request may reach the device (proto.md, "Error values", says which error stands for what). */
  check(head: RequestHead): Refusal | undefined {
    const { type, flags, offset, length } = head;
    const allowed = this.#flags[type];
    if (allowed === undefined) return unknownCommand;
    if ((flags & ~allowed) !== 0) return unknownFlag;
    if (type === command.flush) return offset === 0 && length === 0 ? undefined : flushRange;
    if (this.#readOnly && writes(type)) return exportReadOnly;
    if (type === command.resize) return offset % this.#device.blockSizes.minimum === 0 ? undefined : unaligned;
    if (type === command.read || type === command.write) {
      const refused = this.#checkPayload(head);
      if (refused !== undefined) return refused;
    }
    if (type === command.blockStatus) {
      if (this.#negotiated.contexts.length === 0) return noContext;
      // The range is in the payload, and checked when that is there.
      if (this.#extended && (flags & commandFlag.payloadLength) !== 0) return undefined;
      if (length === 0) return emptyRange;
    }
    const refused = this.checkRange(type, offset, length);
    if (refused !== undefined) return refused;
    const fast = (flags & commandFlag.fastZero) !== 0;
    return fast && this.#device.capabilities.fastZero !== 'native' ? notFast : undefined;
  }

  checkRange(type: number, offset: number, length: number): Refusal | undefined {
    const { sizeBytes, blockSizes } = this.#device;
    if (offset + length > sizeBytes) return this.#beyond(type, offset + length);
    const { minimum } = blockSizes;
    return offset % minimum === 0 && length % minimum === 0 ? undefined : unaligned;
  }

  #checkPayload({ type, flags, length }: RequestHead): Refusal | undefined {
    const isWrite = type === command.write;
    // With extended headers a write without the flag carries nothing.
    if (isWrite && this.#extended && (flags & commandFlag.payloadLength) === 0) return noPayload;
    if (length <= maximumPayload(this.#device)) return undefined;
    if (isWrite) return longWrite;
    return this.#negotiated.replies === 'simple' ? longSimpleRead : longRead;
  }

  /** What a resize cut off is out of space for every command (branch extension-resize, NBD_CMD_RESIZE). */
  #beyond(type: number, end: number): Refusal {
    const { sizeBytes } = this.#device;
    if (sizeBytes > this.#largestSize) this.#largestSize = sizeBytes;
    const resized = this.#flags[command.resize] !== undefined && end <= this.#largestSize;
    return resized || type === command.write || type === command.writeZeroes ? writeBeyondEnd : beyondEnd;
  }
}

function writes(type: number): boolean {
  return (
    type === command.write || type === command.trim || type === command.writeZeroes || type === command.resize
  );
}

/** proto.md, "Command flags". Read-only exports keep the commands that write, so that these answer EPERM. */
function commandFlags({ flags, replies }: Negotiated): (number | undefined)[] {
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const readOnly = has(transmissionFlag.readOnly);
  const fua = has(transmissionFlag.sendFua) || readOnly ? commandFlag.fua : 0;
  const payload = replies === 'extended' ? commandFlag.payloadLength : 0;
  const table: (number | undefined)[] = [];
  table[command.read] = fua | (has(transmissionFlag.sendDf) ? commandFlag.df : 0);
  table[command.write] = fua | payload;
  if (has(transmissionFlag.sendFlush)) table[command.flush] = fua;
  if (has(transmissionFlag.sendTrim) || readOnly) table[command.trim] = fua;
  if (has(transmissionFlag.sendCache)) table[command.cache] = fua;
  if (has(transmissionFlag.sendWriteZeroes) || readOnly) {
    const fast = has(transmissionFlag.sendFastZero) || readOnly ? commandFlag.fastZero : 0;
    table[command.writeZeroes] = fua | commandFlag.noHole | fast;
  }
  if (replies !== 'simple') {
    const select = has(transmissionFlag.blockStatusPayload) ? payload : 0;
    table[command.blockStatus] = fua | commandFlag.reqOne | select;
  }
  if (has(transmissionFlag.sendResize)) table[command.resize] = fua;
  return table;
}
