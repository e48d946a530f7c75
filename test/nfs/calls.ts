import { AshlarError } from '@ashlar/core';
import { procedures, type NfsClient, nothingSet } from '@ashlar/nfs';

const named = (text: string): Buffer => Buffer.from(text);

function mustBeOk<S>(what: string, found: { readonly status: number; readonly ok: S | undefined }): S {
  if (found.ok === undefined) throw new AshlarError('io', `${what} failed with the status ${found.status}`);
  return found.ok;
}

/** Makes an empty file, which must not be there. */
export async function makeFile(client: NfsClient, directory: Uint8Array, name: string): Promise<void> {
  const how = { mode: 'guarded', attributes: nothingSet } as const;
  mustBeOk(`CREATE of ${name}`, await client.call(procedures.create, { directory, name: named(name), how }));
}

export async function makeDirectory(client: NfsClient, directory: Uint8Array, name: string): Promise<Uint8Array> {
  const args = { directory, name: named(name), attributes: nothingSet };
  return mustBeOk(`MKDIR of ${name}`, await client.call(procedures.makeDirectory, args)).handle!;
}

export async function removeFile(client: NfsClient, directory: Uint8Array, name: string): Promise<void> {
  mustBeOk(`REMOVE of ${name}`, await client.call(procedures.remove, { directory, name: named(name) }));
}

export async function removeDirectory(client: NfsClient, directory: Uint8Array, name: string): Promise<void> {
  mustBeOk(`RMDIR of ${name}`, await client.call(procedures.removeDirectory, { directory, name: named(name) }));
}

/** An entry, with its handle where that was asked for. */
export type Entry = { readonly name: string; readonly handle: Uint8Array | undefined };

type ListOptions = {
  /** READDIRPLUS in place of READDIR. */
  readonly isPlus: boolean;
  /** Of a reply; 64 KiB where nothing is said. */
  readonly replyBytes?: number;
};

/** All entries of a directory but `.` and `..`, a reply at a time. */
export async function* list(
  client: NfsClient,
  directory: Uint8Array,
  { isPlus, replyBytes = 65_536 }: ListOptions,
): AsyncGenerator<readonly Entry[]> {
  const verifier = Buffer.alloc(8);
  let cookie = 0n;
  for (let isEnd = false; !isEnd;) {
    const { entries, isEnd: isAll } = isPlus
      ? await listPlus(client, { directory, cookie, verifier, directoryBytes: replyBytes, mostBytes: replyBytes })
      : mustBeOk(
          'READDIR',
          await client.call(procedures.readDirectory, { directory, cookie, verifier, count: replyBytes }),
        );
    cookie = entries.at(-1)?.cookie ?? cookie;
    isEnd = isAll;
    yield entries.map(entryOf).filter(({ name }) => name !== '.' && name !== '..');
  }
}

type Listed = { readonly name: Uint8Array; readonly handle?: Uint8Array | undefined };

const entryOf = ({ handle, name }: Listed): Entry => ({ name: Buffer.from(name).toString(), handle });

type PlusArgs = Parameters<typeof procedures.readDirectoryPlus.args.write>[1];

const listPlus = async (client: NfsClient, args: PlusArgs) =>
  mustBeOk('READDIRPLUS', await client.call(procedures.readDirectoryPlus, args));

/** Does something for each number below `count`, with so many of them under way. */
export async function each(count: number, atOnce: number, run: (at: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      await run(next - 1);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}
