import { formatSize } from '@ashlar/core';

/** Told as bytes are done. */
export type Progress = (doneBytes: number, totalBytes: number) => void;

/** A bar on a terminal, nothing elsewhere. `done`: what was done with the bytes. */
export async function withBar<T>(done: string, use: (progress: Progress) => Promise<T>): Promise<T> {
  if (!process.stderr.isTTY) return await use(() => undefined);
  const { Presets, SingleBar } = await import('cli-progress');
  const format = `{bar} {percentage}%  {bytes} ${done}`;
  const bar = new SingleBar(
    { format, stream: process.stderr, clearOnComplete: true, hideCursor: true },
    Presets.shades_classic,
  );
  bar.start(1, 0, { bytes: '' });
  try {
    return await use((doneBytes, totalBytes) => {
      bar.setTotal(Math.max(doneBytes, totalBytes, 1));
      bar.update(doneBytes, { bytes: formatSize(doneBytes) });
    });
  } finally {
    bar.stop();
  }
}
