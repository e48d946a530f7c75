import { parseSize } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import {
  changeSnapshots,
  checkImage,
  imageInfo,
  resizeImage,
  type CheckResult,
  type ImagePreallocation,
} from '@ashlar/image';
import { checkJson, checkText } from '../image/check-text.ts';
import { snapshotTable } from '../image/info-text.ts';
import { imageNamed, qcow2Named, type NameOptions } from '../image/named.ts';

/** As qemu-img's. */
const checkStatus = { inOrder: 0, corrupt: 2, leaks: 3, noChecks: 63 } as const;

export type CheckOptions = NameOptions & {
  readonly output: 'human' | 'json';
  readonly json?: boolean;
  readonly repair?: 'leaks' | 'all';
  readonly quiet?: boolean;
  readonly forceShare?: boolean;
};

export async function check(word: string, options: CheckOptions): Promise<number> {
  const { forceShare, json = false, output, quiet = false, repair } = options;
  const { format, path } = imageNamed(word, options);
  const isJson = json || output === 'json';
  const print = (text: string): void => {
    if (!quiet) process.stdout.write(text);
  };
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const first = await checkImage(createRealHost(), path, { forceShare, format, repair, say });
  if (first === undefined) {
    say('ashlar: an image of this format has nothing to check');
    return checkStatus.noChecks;
  }
  let found: CheckResult = first;
  const { corruptionsFixed, leaksFixed } = first;
  if (corruptionsFixed + leaksFixed > 0) {
    if (!isJson) {
      print(
        `The following inconsistencies were found and repaired:\n\n    ${leaksFixed} leaked clusters\n    ${corruptionsFixed} corruptions\n\nDouble checking the fixed image now...\n`,
      );
    }
    const again = await checkImage(createRealHost(), path, { format: 'qcow2', say });
    found = { ...(again ?? first), corruptionsFixed, leaksFixed };
  }
  print(isJson ? `${JSON.stringify(checkJson(path, found), undefined, 4)}\n` : checkText(found));
  if (found.corruptions > 0) return checkStatus.corrupt;
  return found.leaks > 0 ? checkStatus.leaks : checkStatus.inOrder;
}

export type ResizeOptions = NameOptions & {
  readonly preallocation: ImagePreallocation;
  readonly shrink?: boolean;
  readonly quiet?: boolean;
};

export async function resize(word: string, size: string, options: ResizeOptions): Promise<void> {
  const { preallocation, quiet = false, shrink = false } = options;
  const { format, path } = imageNamed(word, options);
  const bytes = parseSize(size.replace(/^[+-]/, ''));
  const sizeFor = (before: number): number =>
    size.startsWith('+') ? before + bytes : size.startsWith('-') ? before - bytes : bytes;
  await resizeImage(createRealHost(), path, sizeFor, { format, preallocation, shrinks: shrink });
  if (!quiet) process.stdout.write('Image resized.\n');
}

export type SnapshotOptions = NameOptions & {
  readonly create?: string;
  readonly apply?: string;
  readonly delete?: string;
  readonly quiet?: boolean;
  readonly forceShare?: boolean;
};

export async function snapshot(word: string, options: SnapshotOptions): Promise<void> {
  const host = createRealHost();
  for (const action of ['create', 'apply', 'delete'] as const) {
    const name = options[action];
    if (name !== undefined) return await changeSnapshots(host, qcow2Named(word, options), action, name);
  }
  const { format, path } = imageNamed(word, options);
  const { qcow2 } = await imageInfo(host, path, { format, forceShare: options.forceShare });
  const snapshots = qcow2?.snapshots ?? [];
  if (snapshots.length === 0 || options.quiet === true) return;
  process.stdout.write(`Snapshot list:\n${snapshotTable(snapshots)}\n`);
}
