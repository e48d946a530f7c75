import { spawnSync } from 'node:child_process';
import { run } from '../hosted.ts';

/** What qemu-img prints and ends with, whatever that is. */
export function byQemu(
  cwd: string,
  ...words: readonly string[]
): { readonly out: string; readonly status: number | null } {
  const { status, stdout } = spawnSync('qemu-img', words, { cwd, encoding: 'utf8' });
  return { out: stdout, status };
}

/** Of a test: what it is told by. */
type Asserts = { deepEqual(one: unknown, other: unknown, title: string): unknown };

/** Fails where `ashlar image` prints something else, or ends otherwise. */
export async function isAsQemu(t: Asserts, cwd: string, words: readonly string[]): Promise<void> {
  const { errors, out, status } = await run(['image', ...words], {}, cwd);
  t.deepEqual({ out, status }, byQemu(cwd, ...words), `${words.join(' ')} ${errors}`);
}
