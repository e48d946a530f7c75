import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Implementation, TestFn } from 'ava';

type Test = (title: string, implementation: Implementation<[]>) => void;

/** Administrators' programs (mkfs, losetup) are often not on a user's PATH; the tests look where they are all the same. */
const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const hasTool = (tool: string): boolean => folders.some((folder) => isExecutable(join(folder, tool)));

/**
 * AVA's `test` for tests that drive real programs: where one of `tools` is not installed the test is reported as
 * skipped. test/setup/tools.txt names the Debian packages, and in CI a tool of that list that is missing is a failure.
 */
export function testWithTools(test: TestFn, ...tools: readonly string[]): Test {
  const { skip } = test;
  return tools.every(hasTool) ? test : skip;
}

/** The same for tests that only root may run (loop devices, mounts). */
export function testAsRoot(test: TestFn, ...tools: readonly string[]): Test {
  return process.getuid?.() === 0 ? testWithTools(test, ...tools) : testWithTools(test, 'only-root-has-this');
}
