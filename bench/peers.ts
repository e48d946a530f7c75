import { mkdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MiB } from '@ashlar/core';
import { ask } from './admin.ts';
import { accepting, run, start, startDaemon, type Program } from './process.ts';

/** Where a server keeps its files, and the size of the one disk that it serves. Files that are there are served again. */
export type Place = {
  readonly directory: string;
  readonly sizeBytes: number;
  /** Of Ashlar only: variables that override its configuration. */
  readonly environment?: Readonly<Record<string, string>>;
};

export type Running = Program & { readonly uri: string; readonly directory: string };

export type Server = {
  readonly name: string;
  /** The program that must be installed. */
  readonly tool: string;
  start(place: Place): Promise<Running>;
};

const socketOf = (directory: string): string => join(directory, 'nbd.sock');
const uriOf = (socket: string, name = ''): string => `nbd+unix:///${name}?socket=${socket}`;

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Makes a server's directory, without the socket that one before it may have left. */
async function prepare(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await rm(socketOf(directory), { force: true });
}

async function sparseFile({ directory, sizeBytes }: Place): Promise<string> {
  const path = join(directory, 'disk.raw');
  if (!(await exists(path))) {
    await writeFile(path, '');
    await truncate(path, sizeBytes);
  }
  return path;
}

async function listening(program: Program, directory: string): Promise<Running> {
  const socket = socketOf(directory);
  await accepting(program, socket);
  return { ...program, uri: uriOf(socket), directory };
}

/** A server that stays in the foreground: its options are made from where it listens and where its files go. */
function foreground(
  name: string,
  tool: string,
  options: (socket: string, place: Place) => Promise<readonly string[]>,
): Server {
  return {
    name,
    tool,
    async start(place) {
      await prepare(place.directory);
      const program = start(tool, await options(socketOf(place.directory), place));
      return listening(program, place.directory);
    },
  };
}

const nbdkitMemory = foreground('nbdkit memory', 'nbdkit', async (socket, { sizeBytes }) => [
  '--foreground',
  `--unix=${socket}`,
  'memory',
  String(sizeBytes),
]);

export const nbdkitFile = foreground('nbdkit file', 'nbdkit', async (socket, place) => [
  '--foreground',
  `--unix=${socket}`,
  'file',
  await sparseFile(place),
]);

const qemuNbdOptions = (socket: string): string[] => [
  '--persistent',
  '--shared=64',
  '--cache=writeback',
  '--discard=unmap',
  `--socket=${socket}`,
];

const qemuNbd = (socket: string, format: string, path: string): string[] => [
  ...qemuNbdOptions(socket),
  `--format=${format}`,
  path,
];

export const qcow2Of = (directory: string): string => join(directory, 'disk.qcow2');

const qemuNbdRaw = foreground('qemu-nbd raw', 'qemu-nbd', async (socket, place) =>
  qemuNbd(socket, 'raw', await sparseFile(place)),
);

/** Serves the image that another server of qcow2 left in its place, too. */
export const qemuNbdQcow2 = foreground('qemu-nbd qcow2', 'qemu-nbd', async (socket, { directory, sizeBytes }) => {
  const path = qcow2Of(directory);
  if (!(await exists(path))) await run('qemu-img', ['create', '-q', '-f', 'qcow2', path, String(sizeBytes)]);
  return qemuNbd(socket, 'qcow2', path);
});

/** QEMU's filter compresses each cluster that is written, as `qemu-img convert -c` does. Always a new image. */
export const qemuNbdCompressing = foreground('qemu-nbd qcow2 zstd', 'qemu-nbd', async (socket, place) => {
  const path = qcow2Of(place.directory);
  const create = ['create', '-q', '-f', 'qcow2', '-o', 'compression_type=zstd'];
  await run('qemu-img', [...create, path, String(place.sizeBytes)]);
  const file = { driver: 'qcow2', file: { driver: 'file', filename: path } };
  return [...qemuNbdOptions(socket), `json:${JSON.stringify({ driver: 'compress', file })}`];
});

/** A qcow2 file with whatever is behind it, or a raw disk; `name` keeps the sockets of several apart. */
export async function qemuNbdOf(
  directory: string,
  path: string,
  name: string,
  format: 'qcow2' | 'raw' = 'qcow2',
): Promise<Running> {
  const place = join(directory, name);
  await prepare(place);
  return listening(start('qemu-nbd', qemuNbd(socketOf(place), format, path)), place);
}

const nbdServer: Server = {
  name: 'nbd-server',
  tool: 'nbd-server',
  async start(place) {
    const { directory } = place;
    await prepare(directory);
    const configuration = join(directory, 'config');
    const pidFile = join(directory, 'pid');
    const generic = `[generic]\nunixsock=${socketOf(directory)}\nallowlist=true\nmax_threads=16\n`;
    const disk = `[disk]\nexportname=${await sparseFile(place)}\nflush=true\nfua=true\ntrim=true\n`;
    await writeFile(configuration, generic + disk);
    const program = await startDaemon('nbd-server', ['-C', configuration, '-p', pidFile], pidFile);
    const socket = socketOf(directory);
    await accepting(program, socket);
    return { ...program, uri: uriOf(socket, 'disk'), directory };
  },
};

const command = fileURLToPath(new URL('../packages/cli/bin/ashlar.js', import.meta.url));

export const ashlar: Server = {
  name: 'ashlar',
  tool: 'node',
  async start({ directory, sizeBytes, environment }) {
    await mkdir(directory, { recursive: true });
    const options = ['serve', '--data', directory, '--volume', `disk:${sizeBytes}`, '--log-level', 'warn'];
    const program = start(process.execPath, [command, ...options, '--port', '0', '--admin-port', '0'], environment);
    const socket = socketOf(directory);
    await accepting(program, socket);
    return { ...program, uri: uriOf(socket, 'disk'), directory };
  },
};

/** Ashlar with a qcow2 image that it is to write to. */
export const ashlarQcow2: Server = {
  ...ashlar,
  name: 'ashlar qcow2',
  async start({ directory, sizeBytes }) {
    const path = qcow2Of(directory);
    if (!(await exists(path))) await run('qemu-img', ['create', '-q', '-f', 'qcow2', path, String(sizeBytes)]);
    const running = await ashlar.start({ directory, sizeBytes: MiB });
    await ask(directory, 'POST', '/v1/exports', { name: 'image', source: `qcow2://${path}` });
    return { ...running, uri: uriOf(socketOf(directory), 'image') };
  },
};

/** Everyone whose disk is a file. */
export const filePeers: readonly Server[] = [nbdkitFile, qemuNbdRaw, qemuNbdQcow2, nbdServer];

export const memoryPeers: readonly Server[] = [nbdkitMemory, ...filePeers];
