import { join } from 'node:path';
import type { TestFn } from 'ava';
import { makeVolume } from './admin.ts';
import { directory, serve, shell, type Served, type Test } from './served.ts';

/** A server that tests of one file share. */
export type Shared = Pick<Served, 'server' | 'port'> & {
  readonly data: string;
  /** Makes a volume and gives its URI. Each test has names of its own. */
  readonly volume: (name: string, size: string) => Promise<string>;
};

/**
 * Gives the server that the tests of a file share: made for the first that asks, stopped behind the last test. A start costs a
 * second, and tests that neither stop a server nor fill it have no need of their own.
 */
export function sharedServer(test: TestFn): () => Promise<Shared> {
  const file = fileOf(test);
  let shared: Promise<Shared> | undefined;
  return () => (shared ??= start(file));
}

async function start(file: Test): Promise<Shared> {
  const data = join(directory(file), 'data');
  const { port, server } = await serve(file, data, '1M');
  const volume = async (name: string, size: string): Promise<string> => {
    await makeVolume(data, name, size);
    return `${server}/${name}`;
  };
  return { data, port, server, volume };
}

/**
 * Makes files once for the tests of a file, and gives each that asks a directory of its own with copies of them. What `make` starts goes
 * behind the last test.
 */
export function madeOnce(
  test: TestFn,
  make: (cwd: string, file: Test) => Promise<unknown>,
): (t: Test) => Promise<string> {
  const file = fileOf(test);
  const begin = async (): Promise<string> => {
    const cwd = directory(file);
    await make(cwd, file);
    return cwd;
  };
  let made: Promise<string> | undefined;
  return async (t) => {
    const from = await (made ??= begin());
    const cwd = directory(t);
    await shell(`cp --archive --sparse=always ${from}/. ${cwd}`);
    return cwd;
  };
}

/** What is registered with it is tidied up behind the last test of a file. */
function fileOf(test: TestFn): Test {
  const tidying: (() => void | Promise<unknown>)[] = [];
  test.after.always(async () => {
    for (const tidy of tidying) await tidy();
  });
  return { teardown: (tidy) => void tidying.unshift(tidy) };
}
