import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { tablesOf, type Column } from '../nbd-conformance/table.ts';

async function versionOf(name: string): Promise<string> {
  const { stdout } = await promisify(execFile)('dpkg-query', ['-W', '-f', '${Version}', name]);
  return stdout.trim();
}

/** The page: counts first, then each check in which the servers differ. */
export async function pageOf(columns: readonly Column[]): Promise<string> {
  const { counts, differing } = tablesOf(columns);
  return `# Who passes what of NFS version 3

\`npx nfs3-conformance HOST:PATH\` checks any server of NFS version 3 by raw calls: every procedure of RFC 1813 with its
errors and attributes, MOUNT, port mapper, access control lists, ONC RPC however it is cut, calls that come again. A check
that asks for what a server does not offer does not apply to it. Checked were a file volume of Ashlar, a directory that
Ashlar exports as it is, and a directory by *NFS-Ganesha ${await versionOf('nfs-ganesha-vfs')}* (FSAL VFS).

${counts}

Each check that somebody fails: ✓ passed, ✗ failed, · does not apply.

${differing}

A failure is a difference from the document and no judgement: most of these no client ever meets. Run the suite yourself
before you believe a table. The test that made this one is [test/nfs-conformance](../test/nfs-conformance/servers.test.ts);
it runs in \`npm run test:long\`, and its part of file volumes in \`npm test\`.
`;
}
