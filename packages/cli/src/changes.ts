import type { ChangesView } from '@ashlar/server';
import { volumePath } from './api-paths.ts';
import type { AdminClient } from './client.ts';

/** Bytes of a volume. */
export type Run = { readonly offset: number; readonly length: number };

/** Every changed run between two states of a volume. */
export async function changesBetween(
  client: AdminClient,
  volume: string,
  since: string,
  until?: string,
): Promise<Run[]> {
  const path = `${volumePath(volume)}/changes`;
  const found: Run[] = [];
  for (let offset: number | undefined = 0; offset !== undefined;) {
    const query = new URLSearchParams({ since, offset: String(offset), ...(until === undefined ? {} : { until }) });
    const { changes, next }: ChangesView = await client.get<ChangesView>(`${path}?${query.toString()}`);
    for (const run of changes) {
      const last = found.at(-1);
      if (last === undefined || last.offset + last.length !== run.offset) found.push(run);
      else found[found.length - 1] = { offset: last.offset, length: last.length + run.length };
    }
    offset = next;
  }
  return found;
}
