import { AshlarError, errorKindOf, MiB, type BlockDevice } from '@ashlar/core';
import type { StreamFrame } from '@ashlar/image';

/** Writes that are under way at once. */
const writesAtOnce = 16;
/** Bytes of the volume behind which what came is made durable and put on record. */
const recordBytes = 256 * MiB;

/**
 * Writes what a stream brings to a device; `durable` is told how far all of it is there for good. Throws `closed` where the stream
 * breaks off, when what came before is durable.
 */
export async function writeFrames(
  device: BlockDevice,
  frames: AsyncIterable<StreamFrame>,
  durable: (offset: number) => Promise<void>,
  progress: (offset: number) => void,
): Promise<void> {
  const writing: Promise<void>[] = [];
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
      const length = frame.type === 'data' ? frame.bytes.length : frame.length;
      writing.push(
        Promise.try(() =>
          frame.type === 'data'
            ? device.write(frame.offset, frame.bytes, false)
            : device.zero(frame.offset, length, 'may-trim', false),
        ),
      );
      end = frame.offset + length;
      progress(end);
      if (end - recorded >= recordBytes) await settle();
    }
    await settle();
  } catch (error) {
    await Promise.allSettled(writing);
    if (errorKindOf(error) === 'closed') await settle().catch(() => undefined);
    throw error;
  }
}
