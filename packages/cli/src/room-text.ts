import { formatSize } from '@ashlar/core';
import type { StatusView } from '@ashlar/server';

/** What is used of the pool, and what is left. */
export function roomText({ pool }: StatusView): string {
  const { usedBytes, capacityBytes, availableBytes, reservedBytes, dataIo } = pool;
  const kept = reservedBytes === 0 ? '' : `, ${formatSize(reservedBytes)} kept for reservations`;
  return `${formatSize(usedBytes)} of ${formatSize(capacityBytes)} used, ${formatSize(availableBytes)} available${kept} (${dataIo} I/O)`;
}

/** What the volumes may come to, beside what there is. */
export function provisionedText({ pool: { provisionedBytes, capacityBytes } }: StatusView): string {
  const percent = capacityBytes === 0 ? 0 : (provisionedBytes * 100) / capacityBytes;
  const over = percent > 100 ? ': more than there is room for, if all of it is written' : '';
  return `${formatSize(provisionedBytes)} in volumes, ${percent.toFixed(0)} % of the capacity${over}`;
}
