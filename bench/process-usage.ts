import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { KiB, MiB } from '@ashlar/core';

/** Linux counts processor time in this many ticks a second on every architecture that Ashlar runs on. */
const ticksPerSecond = 100;
const sampleMs = 50;

/** Processor time of a process with all its threads, and of its children that have ended, in seconds. */
export function processorSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in parentheses, may hold spaces; utime, stime, cutime and cstime are the fields 14 to 17.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return ticks / ticksPerSecond;
}

function children(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

function statusBytes(pid: number, field: string): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(match?.[1] ?? 0) * KiB;
}

/** Memory that no file stands behind (anonymous and shared), of a process and its children, in bytes. */
export function residentBytes(pid: number): number {
  const own = statusBytes(pid, 'RssAnon') + statusBytes(pid, 'RssShmem');
  return children(pid).reduce((sum, child) => sum + (childBytes(child) ?? 0), own);
}

/** A child may end between two looks. */
function childBytes(pid: number): number | undefined {
  try {
    return statusBytes(pid, 'RssAnon') + statusBytes(pid, 'RssShmem');
  } catch {
    return undefined;
  }
}

/** Runs something, and answers with the most memory that the process held meanwhile. */
export async function withPeak<T>(pid: number, body: () => Promise<T>): Promise<{ result: T; peakBytes: number }> {
  let peakBytes = residentBytes(pid);
  const timer = setInterval(() => (peakBytes = Math.max(peakBytes, residentBytes(pid))), sampleMs);
  try {
    const result = await body();
    return { result, peakBytes: Math.max(peakBytes, residentBytes(pid)) };
  } finally {
    clearInterval(timer);
  }
}

/** What a process had the disk read, with all its threads, in bytes: what it found in the host's memory does not count. */
export function fetchedBytes(pid: number): number {
  const match = /^read_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'));
  return Number(match?.[1] ?? 0);
}

const quietMs = 150;
const quietShare = 0.1;
const mostMs = 60_000;

/** Settles when a process has hardly used a processor for a while: what it does behind its clients' backs is done. */
export async function untilIdle(pid: number): Promise<void> {
  const endMs = performance.now() + mostMs;
  for (let before = processorSeconds(pid); performance.now() < endMs;) {
    await delay(quietMs);
    const now = processorSeconds(pid);
    if (now - before <= (quietShare * quietMs) / 1000) return;
    before = now;
  }
}

const settledMs = 75_000;

/** Settles when a process has not given memory back for a while: what it holds at rest. */
export async function untilAtRest(pid: number): Promise<void> {
  const endMs = performance.now() + 4 * settledMs;
  await untilIdle(pid);
  for (let before = residentBytes(pid); performance.now() < endMs;) {
    await delay(settledMs);
    const now = residentBytes(pid);
    if (now >= before - MiB) return;
    before = now;
  }
}
