import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { AshlarError, type FileTree } from '@ashlar/core';
import { createRealHost, endProcess } from '@ashlar/host';
import { SeededRandom } from '@ashlar/testing';
import { openDirectoryTree } from '@ashlar/tree';
import { blockBytes, versionIn } from '../faults/marked-blocks.ts';
import { clientCount, placeOf, textOf, type LedgerLine } from './directory-ledger.ts';
import { recordsAfter } from './directory-records.ts';
import { DirectoryState, wrongBlocks, type KnownFile } from './directory-state.ts';

/** Says what is wrong with the directory that a cut left, a line each; nothing where all is well: PATH LEDGER CUT HANDLES. */
const [path = '', ledgerPath = '', position = '0', handles = 'kernel'] = process.argv.slice(2);

type Done = Extract<LedgerLine, { readonly kind: 'done' }>;

const mostTold = 10;
const cut = Number(position);
const typeBits = { regular: 0o100000, directory: 0o040000, link: 0o120000 } as const;

function readLedger(): LedgerLine[] {
  const lines = readFileSync(ledgerPath, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as LedgerLine);
}

/** What a client's directories may be: as of what was answered, or with the call that was under way. */
function statesOf(lines: readonly LedgerLine[], client: number): DirectoryState[] {
  const done = lines.filter((line): line is Done => line.kind === 'done' && line.client === client);
  const answered = done.filter((line) => line.answered <= cut);
  const running = done.find((line) => line.answered > cut && line.begun < cut);
  return [[], running === undefined ? [] : [running]].map((more) => {
    const state = new DirectoryState();
    for (const { change } of answered) state.apply(change, true);
    for (const { change } of more) state.apply(change, false);
    return state;
  });
}

/** Paths below the export that begin with a name, and what they are. */
function namesBelow(name: string): string[] {
  const names = readdirSync(join(path, name), { withFileTypes: true });
  return names.flatMap((each) => {
    const below = `${name}/${each.name}`;
    return each.isDirectory() ? [below, ...namesBelow(below)] : [below];
  });
}

function wrongFile(name: string, file: KnownFile): string[] {
  const stat = lstatSync(join(path, name));
  const wrong: string[] = [];
  if (String(stat.ino) !== file.inode) wrong.push(`is inode ${stat.ino}, not ${file.inode}`);
  if (stat.mode !== (typeBits[file.type] | file.mode)) wrong.push(`has mode ${stat.mode}, not ${file.mode}`);
  if (file.type === 'link' && Buffer.compare(textOf(file.file), readlinkSync(join(path, name), 'buffer')) !== 0) {
    wrong.push('has another text');
  }
  if (file.type === 'regular') {
    const bytes = readFileSync(join(path, name));
    if (bytes.length % blockBytes !== 0) wrong.push(`has ${bytes.length} bytes`);
    const blocks = Array.from({ length: Math.floor(bytes.length / blockBytes) }, (_, block) => {
      const each = Uint8Array.from(bytes.subarray(block * blockBytes, (block + 1) * blockBytes));
      return versionIn(each, placeOf(file.file, block));
    });
    wrong.push(...wrongBlocks(file, blocks));
  }
  return wrong.map((sentence) => `${name} ${sentence}`);
}

async function wrongHandles(tree: FileTree, state: DirectoryState): Promise<string[]> {
  const wrong: string[] = [];
  const look = async ({ handle }: KnownFile): Promise<string> => {
    try {
      return String((await tree.getAttributes(Buffer.from(handle, 'hex'))).fileId);
    } catch (error) {
      if (error instanceof AshlarError) return error.kind;
      throw error;
    }
  };
  for (const [name, file] of state.names) {
    if (!file.isTold) continue;
    const found = await look(file);
    if (found !== file.inode) wrong.push(`the handle of ${name} leads to ${found}, not to ${file.inode}`);
  }
  for (const file of state.gone) {
    const found = await look(file);
    if (found !== 'stale') wrong.push(`the handle of a ${file.type} that was removed leads to ${found}`);
  }
  return wrong;
}

async function wrongWith(tree: FileTree, state: DirectoryState, client: number): Promise<string[]> {
  const own = `client${client}`;
  const found = readdirSync(path).includes(own) ? [own, ...namesBelow(own)].toSorted() : [];
  const expected = [...state.names.keys()].toSorted();
  const missing = expected.filter((name) => !found.includes(name)).map((name) => `${name} is missing`);
  const others = found.filter((name) => !expected.includes(name)).map((name) => `${name} should not be there`);
  if (missing.length + others.length > 0) return [...missing, ...others];
  const files = [...state.names].flatMap(([name, file]) => wrongFile(name, file));
  return [...files, ...(await wrongHandles(tree, state))];
}

async function verify(): Promise<string[]> {
  const lines = readLedger();
  const { clock, random, scheduler } = createRealHost();
  const records = recordsAfter(lines, cut, new SeededRandom(cut));
  const seams = { clock, random, scheduler };
  const options = { ...seams, records, key: Buffer.from('x-'), withTable: handles === 'table' };
  const tree = await openDirectoryTree(path, options);
  const problems: string[] = [];
  for (let client = 0; client < clientCount; client += 1) {
    const all = [];
    for (const state of statesOf(lines, client)) all.push(await wrongWith(tree, state, client));
    problems.push(...all.toSorted((one, other) => one.length - other.length)[0]!);
  }
  // What a cut left can be used.
  const made = await tree.makeDirectory(
    tree.root,
    Buffer.from('afterwards'),
    {},
    { who: { uid: 0, gid: 0, gids: [] } },
  );
  if (made.attributes.type !== 'directory') problems.push('nothing can be made');
  await tree.close();
  return problems;
}

const problems = await verify().catch((error: unknown) => [String(error)]);
for (const problem of problems.slice(0, mostTold)) console.log(problem);
// The next one need not compile what this one did: an end such as this keeps nothing by itself.
flushCompileCache();
endProcess(0);
