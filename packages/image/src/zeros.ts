import { MiB, type Settled } from '@ashlar/core';

/** Told of bytes that are written, of so many. */
export type Progress = (doneBytes: number, totalBytes: number) => void;

const stepBytes = 4 * MiB;

/** Writes so many zeros, a part behind the other from 0 on. */
export async function writeZeros(
  write: (offset: number, zeros: Uint8Array) => Settled<void>,
  sizeBytes: number,
  progress: Progress = () => undefined,
): Promise<void> {
  const zeros = new Uint8Array(stepBytes);
  for (let at = 0; at < sizeBytes; at += stepBytes) {
    await write(at, zeros.subarray(0, Math.min(stepBytes, sizeBytes - at)));
    progress(Math.min(sizeBytes, at + stepBytes), sizeBytes);
  }
}
