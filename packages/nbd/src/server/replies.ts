import { AshlarError, type Stream } from '@ashlar/core';
import { headRoom } from '@ashlar/wire';
import { chunk, chunkFlag, command } from '../codec/constants.ts';
import {
  extendedReplySize,
  simpleReplySize,
  structuredReplySize,
  writeChunkHead,
  writeSimpleReply,
  writeU64,
} from '../codec/reply.ts';
import type { RequestHead } from '../codec/request.ts';
import type { ContextRuns } from './block-status.ts';
import type { Negotiated } from './negotiation.ts';
import type { Operation } from './operation.ts';

const scratch = new Uint8Array(4096);
const scratchView = new DataView(scratch.buffer);

/** Writes the replies of one connection to its stream. Small ones are copied there at once. */
export class Replies {
  readonly #stream: Stream;
  readonly #replies: Negotiated['replies'];

  constructor(stream: Stream, replies: Negotiated['replies']) {
    this.#stream = stream;
    this.#replies = replies;
  }

  /** Success without a payload. Compact structured replies allow the simple form for all but reads. */
  ok(operation: Operation): void {
    if (this.#replies === 'extended') {
      writeChunkHead(scratchView, 0, true, chunkFlag.done, chunk.none, operation, 0);
      this.#stream.send(scratch.subarray(0, extendedReplySize));
      return;
    }
    writeSimpleReply(scratchView, 0, 0, operation);
    this.#stream.send(scratch.subarray(0, simpleReplySize));
  }

  /** A read's data: its head is written before the payload, and both leave as one. */
  data(operation: Operation): void {
    const { buffer, offset, length } = operation;
    if (buffer === undefined) {
      this.#noData(operation);
      return;
    }
    const { view } = buffer;
    let start: number;
    if (this.#replies === 'simple') {
      start = headRoom - simpleReplySize;
      writeSimpleReply(view, start, 0, operation);
    } else {
      const extended = this.#replies === 'extended';
      start = headRoom - 8 - (extended ? extendedReplySize : structuredReplySize);
      writeChunkHead(view, start, extended, chunkFlag.done, chunk.offsetData, operation, length + 8);
      writeU64(view, headRoom - 8, offset);
    }
    this.#stream.send(buffer.bytes.subarray(start, headRoom + length), operation.released);
  }

  /** `errno` and, where the form has a place for it, a sentence. */
  error(request: RequestHead, errno: number, error?: unknown): void {
    if (this.#replies === 'simple') {
      writeSimpleReply(scratchView, 0, errno, request);
      this.#stream.send(scratch.subarray(0, simpleReplySize));
      return;
    }
    const extended = this.#replies === 'extended';
    const text = error instanceof AshlarError ? Buffer.from(error.message, 'utf8').subarray(0, 512) : new Uint8Array(0);
    const at = error instanceof AshlarError && request.type === command.read ? error.context.offset : undefined;
    const length = 6 + text.length + (at === undefined ? 0 : 8);
    const type = at === undefined ? chunk.error : chunk.errorOffset;
    const head = writeChunkHead(scratchView, 0, extended, chunkFlag.done, type, request, length);
    scratchView.setUint32(head, errno);
    scratchView.setUint16(head + 4, text.length);
    scratch.set(text, head + 6);
    if (at !== undefined) writeU64(scratchView, head + 6 + text.length, at);
    this.#stream.send(scratch.subarray(0, head + length));
  }

  /** Descriptors of each context for a range, a chunk each (proto.md, "NBD_CMD_BLOCK_STATUS"). */
  blockStatus(operation: Operation, status: readonly ContextRuns[]): void {
    const last = status.at(-1);
    for (const each of status) this.#contextStatus(operation, each, each === last);
  }

  #contextStatus(operation: Operation, { id, runs }: ContextRuns, isLast: boolean): void {
    const extended = this.#replies === 'extended';
    const each = extended ? 16 : 8;
    const first = extended ? 8 : 4;
    const bytes = new Uint8Array(extendedReplySize + first + runs.length * each);
    const view = new DataView(bytes.buffer);
    const length = first + runs.length * each;
    const type = extended ? chunk.blockStatusExtended : chunk.blockStatus;
    const head = writeChunkHead(view, 0, extended, isLast ? chunkFlag.done : 0, type, operation, length);
    view.setUint32(head, id);
    if (extended) view.setUint32(head + 4, runs.length);
    for (const [index, run] of runs.entries()) {
      const at = head + first + index * each;
      if (extended) {
        writeU64(view, at, run.length);
        writeU64(view, at + 8, run.flags);
      } else {
        view.setUint32(at, run.length);
        view.setUint32(at + 4, run.flags);
      }
    }
    this.#stream.send(bytes.subarray(0, head + length));
  }

  #noData(operation: Operation): void {
    if (this.#replies === 'simple') {
      this.ok(operation);
      return;
    }
    const extended = this.#replies === 'extended';
    const head = writeChunkHead(scratchView, 0, extended, chunkFlag.done, chunk.none, operation, 0);
    this.#stream.send(scratch.subarray(0, head));
  }
}
