import type { TestFn } from 'ava';
import { aclTests } from './file-tree/acl-tests.ts';
import { dataTests, permissionTests } from './file-tree/data-tests.ts';
import { listTests } from './file-tree/list-tests.ts';
import { nameTests, renameTests } from './file-tree/name-tests.ts';
import { treeTest, type TreeSubject } from './file-tree/subject.ts';

/** Proves that a kind of file tree keeps what the FileTree interface promises. `name` begins each test's title. */
export function fileTreeContract(test: TestFn, name: string, subject: TreeSubject): void {
  const check = treeTest(test, name, subject);
  nameTests(check);
  renameTests(check);
  dataTests(check);
  permissionTests(check);
  listTests(check);
  aclTests(check);
}
