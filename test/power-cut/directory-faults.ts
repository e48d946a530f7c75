import type { FileTree } from '@ashlar/core';

/** What a server may do wrong that no kill of it shows, and says nothing of. */
export type DirectoryFault = 'names-late' | 'writes-late' | 'commits-late' | 'table-late';

/** A tree that answers before what it did is durable. `table-late`: that is in its records. */
export function withFault(tree: FileTree, fault: DirectoryFault | undefined): FileTree {
  const changed: Partial<FileTree> = {};
  if (fault === 'names-late') Object.assign(changed, { sync: () => undefined });
  if (fault === 'writes-late') {
    const write: FileTree['write'] = async (file, offset, from, committed, who) => ({
      ...(await tree.write(file, offset, from, 'unstable', who)),
      committed,
    });
    Object.assign(changed, { write });
  }
  if (fault === 'commits-late') {
    const commit: FileTree['commit'] = async (file) => ({ before: undefined, after: await tree.getAttributes(file) });
    Object.assign(changed, { commit });
  }
  return new Proxy(tree, {
    get(target, name) {
      const value = Reflect.get(Object.hasOwn(changed, name) ? changed : target, name, target) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
