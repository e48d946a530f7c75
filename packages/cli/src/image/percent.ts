import { withBar, type Progress } from '../progress.ts';

export type ProgressOptions = { readonly progress?: boolean; readonly quiet?: boolean };

/** qemu-img's line, which is written over and over; a bar on a terminal where that was not asked for. */
export async function withPercent<T>(
  { progress = false, quiet = false }: ProgressOptions,
  done: string,
  use: (progress: Progress) => Promise<T>,
): Promise<T> {
  if (quiet) return await use(() => undefined);
  if (!progress) return await withBar(done, use);
  let shown = 0;
  const show = (percent: number): void => {
    shown = percent;
    process.stdout.write(`    (${percent.toFixed(2)}/100%)\r`);
  };
  show(0);
  const result = await use((doneBytes, totalBytes) => {
    const percent = totalBytes === 0 ? 100 : (doneBytes / totalBytes) * 100;
    if (percent > shown + 1 || (percent === 100 && shown < 100)) show(percent);
  });
  if (shown < 100) show(100);
  process.stdout.write('\n');
  return result;
}
