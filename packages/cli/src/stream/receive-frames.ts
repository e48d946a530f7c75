import { AshlarError, MiB, type BlockDevice } from '@ashlar/core';
import type { StreamFrame } from '@ashlar/image';

/** Writes that are under way at once. */
const writesAtOnce = 16;
/** Bytes of the volume behind which what came is made durable and put on record. */
const recordBytes = 256 * MiB;

/**
 * Writes what a stream brings to a device; `durable` is told how far all of it is there for good. Where the stream ends, or is damaged, what came
 * before is durable when it throws. `failed` is told of a write that fails: nothing of the stream is waited for any more.
 */
export async function writeFrames(
  device: BlockDevice,
  frames: AsyncIterable<StreamFrame>,
  durable: (offset: number) => Promise<void>,
  progress: (offset: number) => void,
  failed: (error: Error) => void,
): Promise<void> {
  const writing: Promise<void>[] = [];
  let isWhole = true;
  const write = (frame: Exclude<StreamFrame, { type: 'header' }>): Promise<void> => {
    const written = Promise.try(() =>
      frame.type === 'data'
        ? device.write(frame.offset, frame.bytes, false)
        : device.zero(frame.offset, frame.length, 'may-trim', false),
    );
    written.catch((error: Error) => {
      isWhole = false;
      failed(error);
    });
    return written;
  };
  let end = 0;
  let recorded = 0;
  const settle = async (): Promise<void> => {
    await Promise.all(writing.splice(0));
    await device.flush();
    await durable(end);
    recorded = end;
  };
  try {
    for await (const frame of frames) {
      if (frame.type === 'header') throw new AshlarError('corrupt', 'the stream has a second header');
      if (writing.length === writesAtOnce) await writing.shift();
      writing.push(write(frame));
      end = frame.offset + (frame.type === 'data' ? frame.bytes.length : frame.length);
      progress(end);
      if (end - recorded >= recordBytes) await settle();
    }
    await settle();
  } catch (error) {
    await Promise.allSettled(writing);
    if (isWhole) await settle().catch(() => undefined);
    throw error;
  }
}
