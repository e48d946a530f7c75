import { AshlarError, type RecordChange } from '@ashlar/core';
import type { Host, HostFile } from '@ashlar/host';
import {
  changesIn,
  lastKeyIn,
  recordFrameBytes,
  recordFrameHead,
  recordFramesIn,
  verifiedFrame,
  type RecordFrame,
} from '../format/record-frame.ts';

/** One file of the log, as far as it can be read. */
export type LogFile = {
  readonly number: number;
  readonly path: string;
  /** Where its last whole frame ends: what is behind it was never written to its end, or is damaged. */
  readonly endBytes: number;
  /** All that the database had is in it, with what was committed since. */
  readonly isComplete: boolean;
  /** The last key of the dump. */
  readonly dumpedTo: Uint8Array | undefined;
  /** Where the dump ends, and with it begins what was committed since. */
  readonly dumpBytes: number;
  readonly firstCommit: number | undefined;
  readonly lastCommit: number | undefined;
  /** The commit behind which its last frame was written; nothing where no frame is whole. */
  readonly last: number | undefined;
  /** Nothing of it is missing that was written to its end. */
  readonly isWhole: boolean;
  /** Its last frame says that the pool was closed. */
  readonly isClosed: boolean;
};

export function logPath(directory: string, number: number): string {
  return `${directory}/${String(number).padStart(8, '0')}`;
}

export function logNumbers(host: Host, directory: string): number[] {
  const names = host.list(directory).filter((name) => /^\d{8}$/.test(name));
  return names.map(Number).toSorted((one, other) => one - other);
}

/** Reads all files of a log, in their order. */
export async function readLogFiles(host: Host, directory: string, poolId: string): Promise<LogFile[]> {
  const files: LogFile[] = [];
  for (const number of logNumbers(host, directory)) {
    const before = files.at(-1)?.last;
    const found = await readLogFile(host, directory, number, poolId, { before });
    if (found !== undefined) files.push(found);
  }
  return files;
}

export type LogFileOptions = {
  /** Up to which it is read. */
  readonly mostBytes?: number;
  /** The last commit of the files before it. */
  readonly before?: number | undefined;
};

/** Reads a file; nothing where it is not there. One that cannot be read is not whole. */
export async function readLogFile(
  host: Host,
  directory: string,
  number: number,
  poolId: string,
  options: LogFileOptions,
): Promise<LogFile | undefined> {
  const path = logPath(directory, number);
  if (host.stat(path) === undefined) return undefined;
  try {
    return await readFrames(host, path, number, poolId, options);
  } catch (error) {
    if (!(error instanceof AshlarError)) throw error;
    return { number, path, ...nothing };
  }
}

const nothing = {
  endBytes: 0,
  isComplete: false,
  dumpedTo: undefined,
  dumpBytes: 0,
  firstCommit: undefined,
  lastCommit: undefined,
  last: undefined,
  isWhole: false,
  isClosed: false,
};

async function readFrames(
  host: Host,
  path: string,
  number: number,
  poolId: string,
  { before = 0, mostBytes = Infinity }: LogFileOptions,
): Promise<LogFile> {
  const file = host.open(path, { readOnly: true });
  try {
    const sizeBytes = Math.min(file.size(), mostBytes);
    let [endBytes, dumpBytes, isComplete, isOrderly, isClosed] = [0, 0, false, true, false];
    let dumpedTo: Uint8Array | undefined;
    let firstCommit: number | undefined;
    let lastCommit: number | undefined;
    let last: number | undefined;
    for await (const { bytes, end, frame } of framesOf(file, sizeBytes, poolId)) {
      const { kind } = frame;
      endBytes = end;
      isClosed = kind === 'closed';
      if (kind === 'dump') dumpedTo = lastKeyIn(bytes) ?? dumpedTo;
      if (kind === 'end') [isComplete, dumpBytes] = [true, end];
      if (kind === 'commit') {
        firstCommit ??= frame.number;
        lastCommit = frame.number;
      }
      if (last !== undefined && frame.number !== last + (kind === 'commit' ? 1 : 0)) isOrderly = false;
      last = frame.number;
    }
    const isWhole = isOrderly && !(await goesOn(file, endBytes, sizeBytes, poolId, last ?? before));
    const commits = { firstCommit, lastCommit, last };
    return { number, path, endBytes, isComplete, dumpedTo, dumpBytes, ...commits, isWhole, isClosed };
  } finally {
    file.close();
  }
}

type FrameAt = {
  readonly frame: Omit<RecordFrame, 'changes'>;
  /** All of it, until the next one is read. */
  readonly bytes: Buffer;
  readonly end: number;
};

/** The frames of a file up to the first that is not whole. */
async function* framesOf(file: HostFile, sizeBytes: number, poolId: string): AsyncGenerator<FrameAt> {
  const memory: FrameMemory = { bytes: Buffer.alloc(0) };
  for (let at = 0; ;) {
    const found = await frameAt(file, at, sizeBytes, poolId, memory);
    if (found === undefined) return;
    at = found.end;
    yield found;
  }
}

/** One frame at a time lies in it: what is read of a log is not in memory together. */
type FrameMemory = { bytes: Buffer };

async function frameAt(
  file: HostFile,
  at: number,
  sizeBytes: number,
  poolId: string,
  memory: FrameMemory,
): Promise<FrameAt | undefined> {
  if (at + recordFrameHead > sizeBytes) return undefined;
  const head = Buffer.alloc(recordFrameHead);
  await file.read(at, head);
  const length = recordFrameBytes(poolId, head);
  if (length === undefined || at + length > sizeBytes) return undefined;
  if (memory.bytes.length < length) memory.bytes = Buffer.alloc(length);
  const bytes = memory.bytes.subarray(0, length);
  await file.read(at, bytes);
  const frame = verifiedFrame(bytes);
  return frame === undefined ? undefined : { frame, bytes, end: at + length };
}

/**
 * Behind its last whole frame the file has what came after the next commit: then that one was written to its end, and is damaged. What is
 * of the next commit itself may be left of an append that the power cut.
 */
async function goesOn(
  file: HostFile,
  endBytes: number,
  sizeBytes: number,
  poolId: string,
  last: number,
): Promise<boolean> {
  const bytes = Buffer.alloc(sizeBytes - endBytes);
  const memory: FrameMemory = { bytes: Buffer.alloc(0) };
  await file.read(endBytes, bytes);
  for (const at of recordFramesIn(poolId, bytes)) {
    const found = await frameAt(file, endBytes + at, sizeBytes, poolId, memory);
    if (found !== undefined && found.frame.number > last + 1) return true;
  }
  return false;
}

/** What a database can be made anew from. */
export type LogContents = {
  /** The last commit that it has. */
  readonly number: number;
  /** Changes that make it of nothing, in their order. */
  changes(): AsyncGenerator<readonly RecordChange[]>;
};

/**
 * The newest dump that is whole with every commit since. Undefined where there is none: then nothing of the log may be used, since
 * nobody knows what is missing.
 */
export function contentsOf(host: Host, files: readonly LogFile[], poolId: string): LogContents | undefined {
  for (let index = files.length - 1; index >= 0; index -= 1) {
    const since = files.slice(index);
    const [base, ...later] = since;
    if (base?.last === undefined || !base.isComplete || !follow(since)) continue;
    const number = later.reduce((most, { lastCommit }) => lastCommit ?? most, base.last);
    return { number, changes: () => changesOf(host, since, poolId) };
  }
  return undefined;
}

function follow(files: readonly LogFile[]): boolean {
  let before = files[0]?.last ?? 0;
  for (const [index, { isWhole, firstCommit, lastCommit }] of files.entries()) {
    if (!isWhole || (index > 0 && firstCommit !== undefined && firstCommit !== before + 1)) return false;
    before = lastCommit ?? before;
  }
  return true;
}

async function* changesOf(
  host: Host,
  files: readonly LogFile[],
  poolId: string,
): AsyncGenerator<readonly RecordChange[]> {
  for (const [index, { path }] of files.entries()) {
    const file = host.open(path, { readOnly: true });
    try {
      for await (const { bytes, frame } of framesOf(file, file.size(), poolId)) {
        // Later dumps say again what is known already.
        if (frame.kind === 'commit' || (frame.kind === 'dump' && index === 0)) yield changesIn(bytes);
      }
    } finally {
      file.close();
    }
  }
}
