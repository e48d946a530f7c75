import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connectRpc, NfsClient, procedures, nothingSet } from '@ashlar/nfs';
import { createLogger, loadConfig, Server } from '@ashlar/server';
import type { AuthSys } from '@ashlar/wire';

/** What a machine with an address of its own sees of a server; printed as JSON. The directory has the pool and the files. */
const [, , directory = ''] = process.argv;
const host = '10.99.0.1';
const file = join(directory, 'ashlar.toml');
const lines = join(directory, 'exports');
const shell = promisify(execFile);

const root: AuthSys = { stamp: 1, machine: 'vm', uid: 0, gid: 0, gids: [] };
/** Of forty groups, of which a call names none. */
const member: AuthSys = { stamp: 1, machine: 'vm', uid: 5000, gid: 5000, gids: [] };

const configure = (isManaged: boolean): void =>
  writeFileSync(
    file,
    `listen = ["127.0.0.1", "${host}"]
[nbd]
allow = ["10.0.0.0/8"]
[nfs]
allow = ["10.0.0.0/8"]
exports = "exports"
manage-gids = ${isManaged}
[log]
level = "silent"
`,
  );
const exporting = (text: string): void => writeFileSync(lines, `${text}\n`);

configure(true);
exporting('/home *(rw,insecure,no_root_squash)');
const overrides = { data: join(directory, 'data'), 'admin.port': 0, 'nbd.port': 0, 'store.journalSize': '32M' };
const load = () => loadConfig({ file, environment: {}, overrides });
const server = await Server.start({
  loaded: load(),
  reload: load,
  volumes: [{ name: 'home', sizeBytes: 2 ** 30, type: 'file' }],
  logger: createLogger('silent'),
  passed: [],
  onDeath: (error) => {
    throw error;
  },
});

async function connect(sys: AuthSys, localPort?: number): Promise<NfsClient> {
  return new NfsClient(
    await connectRpc({ host, port: 2049 }, { sys, ...(localPort === undefined ? {} : { localPort }) }),
  );
}

/** What mounting is answered with while something is exported. */
async function mounting(text: string, localPort?: number): Promise<number> {
  exporting(text);
  await server.reload();
  const client = await connect(root, localPort);
  const { status } = await client.mount('/home');
  client.close();
  return status;
}

const client = await connect(root);
const { handle } = await client.mount('/home');
const made = await client.call(procedures.makeDirectory, {
  directory: handle,
  name: Buffer.from('shared'),
  attributes: { ...nothingSet, mode: 0o770, gid: 5020 },
});
const shared = made.ok!.handle!;

/** What a member of the directory's group is answered with who wants to make something in it. */
async function making(name: string): Promise<number> {
  const mine = await connect(member);
  const attributes = { ...nothingSet, mode: 0o755 };
  const { status } = await mine.call(procedures.makeDirectory, {
    directory: shared,
    name: Buffer.from(name),
    attributes,
  });
  mine.close();
  return status;
}

const managed = await making('with');
configure(false);
await server.reload();
const unmanaged = await making('without');
const secure = [await mounting(`/home ${host}(rw)`), await mounting(`/home ${host}(rw)`, 900)];
const insecure = [await mounting(`/home ${host}(rw,insecure)`), await mounting(`/home ${host}(rw,insecure)`, 901)];
const names = {
  host: await mounting('/home vm7.example(insecure)'),
  alias: await mounting('/home vm7(insecure)'),
  wildcard: await mounting('/home *.example(insecure)'),
  other: await mounting('/home *.other(insecure)'),
};
exporting('/home 10.0.0.0/8(rw) vm7.example(ro) *.example @1');
const refused = await server.reload().then(
  () => '',
  (error: Error) => error.message,
);
exporting('/home 10.0.0.0/8(rw) vm7.example(ro) *(ro)');
await server.reload();
const shown = async (option: string): Promise<string> =>
  (await shell('showmount', ['--no-headers', option, host])).stdout.trim().replaceAll(/ +/g, ' ');
const shows = { exports: await shown('-e'), all: await shown('-a'), directories: await shown('-d') };
client.close();
await server.stop();
process.stdout.write(JSON.stringify({ managed, unmanaged, secure, insecure, names, refused, shows }));
