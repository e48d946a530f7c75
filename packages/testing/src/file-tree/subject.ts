import { AshlarError, type ChangeRequest, type Credentials, type FileState, type FileTree } from '@ashlar/core';
import type { ExecutionContext, TestFn } from 'ava';

/** One tree for a test, whose root is anybody's to write to. */
export type TreeSubject = {
  readonly open: (t: ExecutionContext) => Promise<FileTree>;
  /** Others change its files as well, so that it never says what was before a change. */
  readonly isShared?: boolean;
};

export type TreeCheck = (
  title: string,
  body: (t: ExecutionContext, tree: FileTree, before: BeforeOf) => Promise<void>,
) => void;

/** What is to be told of what was before a change: nothing where the tree cannot know. */
export type BeforeOf = (state: FileState) => FileState | undefined;

export const treeTest =
  (test: TestFn, name: string, subject: TreeSubject): TreeCheck =>
  (title, body) =>
    void test(`${name}: ${title}`, async (t) => {
      const tree = await subject.open(t);
      try {
        await body(t, tree, ({ changed, modified, sizeBytes }) =>
          subject.isShared === true ? undefined : { changed, modified, sizeBytes },
        );
      } finally {
        await tree.close();
      }
    });

export const root: Credentials = { uid: 0, gid: 0, gids: [] };
export const user: Credentials = { uid: 1000, gid: 100, gids: [200] };
export const other: Credentials = { uid: 2000, gid: 300, gids: [] };

export const by = <T>(who: Credentials): ChangeRequest<T> => ({ who });

export const named = (text: string): Uint8Array => Buffer.from(text);

/** What it ended with: the kind of its error, or nothing. */
export async function kindOf(operation: () => unknown): Promise<string | undefined> {
  try {
    await operation();
    return undefined;
  } catch (error) {
    if (error instanceof AshlarError) return error.kind;
    throw error;
  }
}
