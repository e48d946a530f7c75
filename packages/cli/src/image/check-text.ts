import type { CheckResult } from '@ashlar/image';

/** As `qemu-img check --output json`: the same keys. */
export function checkJson(path: string, found: CheckResult): { readonly [name: string]: unknown } {
  const counts = {
    'image-end-offset': found.imageEndOffset,
    corruptions: found.corruptions,
    leaks: found.leaks,
    'corruptions-fixed': found.corruptionsFixed,
    'leaks-fixed': found.leaksFixed,
    'total-clusters': found.totalClusters,
    'allocated-clusters': found.allocatedClusters,
    'fragmented-clusters': found.fragmentedClusters,
    'compressed-clusters': found.compressedClusters,
  };
  return {
    filename: path,
    format: 'qcow2',
    // What cannot be checked is told in a sentence in place of this.
    'check-errors': 0,
    ...Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)),
  };
}

/** Of a hundred, as C's %.2f: of two that are as near the even one. */
function share(part: number, whole: number): string {
  const value = (part * 100) / whole;
  const isBetween = Number.isInteger(value * 8) && (value * 100) % 1 === 0.5;
  return `${(isBetween ? (2 * Math.round(value * 50)) / 100 : value).toFixed(2)}%`;
}

/** As `qemu-img check` says it. */
export function checkText(found: CheckResult): string {
  const { allocatedClusters, compressedClusters, corruptions, fragmentedClusters, imageEndOffset, leaks } = found;
  const lines: string[] = [];
  if (corruptions === 0 && leaks === 0) lines.push('No errors were found on the image.');
  if (corruptions > 0) {
    lines.push(
      '',
      `${corruptions} errors were found on the image.`,
      'Data may be corrupted, or further writes to the image may corrupt it.',
    );
  }
  if (leaks > 0) {
    lines.push(
      '',
      `${leaks} leaked clusters were found on the image.`,
      'This means waste of disk space, but no harm to data.',
    );
  }
  if (found.totalClusters > 0 && allocatedClusters > 0) {
    const allocated = `${allocatedClusters}/${found.totalClusters} = ${share(allocatedClusters, found.totalClusters)}`;
    const fragmented = share(fragmentedClusters, allocatedClusters);
    const compressed = share(compressedClusters, allocatedClusters);
    lines.push(`${allocated} allocated, ${fragmented} fragmented, ${compressed} compressed clusters`);
  }
  if (imageEndOffset > 0) lines.push(`Image end offset: ${imageEndOffset}`);
  return `${lines.join('\n')}\n`;
}
