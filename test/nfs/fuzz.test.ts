import { once } from 'node:events';
import { connect } from 'node:net';
import { nfsAclProcedures, procedures, status, type NfsClient } from '@ashlar/nfs';
import { SeededRandom } from '@ashlar/testing';
import { RecordAssembler, XdrWriter } from '@ashlar/wire';
import test from 'ava';
import { root, serveTree } from './server.ts';

const calls = process.env['ASHLAR_LONG'] === '1' ? 1_000_000 : 20_000;
/** Of one connection, before the next one takes its place: one that is no call ends it, and what is behind is not looked at. */
const eachConnection = 8;
/** Calls that a file is made for. */
const eachFile = 200;
const mostGrowthBytes = 150 * 2 ** 20;

type Handles = { readonly directory: Uint8Array; readonly file: Uint8Array };

const nothingSet = {
  mode: undefined,
  uid: undefined,
  gid: undefined,
  sizeBytes: undefined,
  accessed: 'keep',
  modified: 'keep',
} as const;

/** Arguments of a call of any procedure that a server would take. */
function argumentsOf(procedure: number, random: SeededRandom, { directory, file }: Handles, writer: XdrWriter): void {
  const name = Buffer.from(`n${random.below(5)}`);
  const handle = random.oneIn(2) ? file : directory;
  const verifier = Buffer.alloc(8);
  const how = { mode: 'unchecked', attributes: nothingSet } as const;
  const { create, link, lookup, makeDirectory, makeLink, read, readDirectory, readDirectoryPlus, rename, write } =
    procedures;
  switch (procedure) {
    case procedures.setAttributes.number:
      return procedures.setAttributes.args.write(writer, {
        handle,
        attributes: { ...nothingSet, mode: 0o777 },
        guard: undefined,
      });
    case lookup.number:
    case procedures.remove.number:
    case procedures.removeDirectory.number:
      return lookup.args.write(writer, { directory, name });
    case procedures.access.number:
      return procedures.access.args.write(writer, { handle, access: 63 });
    case read.number:
      return read.args.write(writer, { handle, offset: random.below(10_000), count: random.below(10_000) });
    case write.number: {
      const data = Buffer.alloc(random.below(2000));
      return write.args.write(writer, {
        handle,
        offset: random.below(10_000),
        count: data.length,
        stability: random.below(3),
        data,
      });
    }
    case create.number:
      return create.args.write(writer, { directory, name, how });
    case makeDirectory.number:
      return makeDirectory.args.write(writer, { directory, name, attributes: nothingSet });
    case makeLink.number:
      return makeLink.args.write(writer, { directory, name, attributes: nothingSet, text: name });
    case rename.number:
      return rename.args.write(writer, { from: { directory, name }, to: { directory, name: Buffer.from('m') } });
    case link.number:
      return link.args.write(writer, { handle, link: { directory, name } });
    case readDirectory.number:
      return readDirectory.args.write(writer, { directory, cookie: 0n, verifier, count: 4096 });
    case readDirectoryPlus.number:
      return readDirectoryPlus.args.write(writer, {
        directory,
        cookie: 0n,
        verifier,
        directoryBytes: 4096,
        mostBytes: 4096,
      });
    case procedures.commit.number:
      return procedures.commit.args.write(writer, { handle, offset: 0, count: 0 });
    default:
      return procedures.getAttributes.args.write(writer, { handle });
  }
}

const programs = [
  [100_003, 3, 22],
  [100_003, 3, 22],
  [100_003, 3, 22],
  [100_005, 3, 6],
  [100_005, 1, 6],
  [100_000, 2, 6],
  [100_000, 4, 12],
  [100_227, 3, 4],
] as const;

/** The same of NFSACL. */
function aclArgumentsOf(procedure: number, random: SeededRandom, { file }: Handles, writer: XdrWriter): void {
  const { get, set } = nfsAclProcedures;
  const mask = random.below(16);
  if (procedure !== set.number) return get.args.write(writer, { handle: file, mask });
  const types = [1, 2, 4, 8, 16, 32];
  const access = types.map((type) => ({ type, id: random.below(5), permissions: random.below(8) }));
  const lists = { accessCount: access.length, access, inheritedCount: 0, inherited: [] };
  return set.args.write(writer, { handle: file, mask, acls: lists });
}

/** A call, and what becomes of it on the way. */
function mutated(random: SeededRandom, handles: Handles, xid: number): Buffer {
  const [program, version, most] = random.pick(programs);
  const procedure = random.below(most);
  const writer = new XdrWriter();
  writer.u32(xid).u32(0).u32(2).u32(program).u32(version).u32(procedure);
  writer.u32(1);
  const credential = new XdrWriter();
  credential.u32(1).opaque(Buffer.from('fuzz')).u32(0).u32(0).u32(0);
  writer.opaque(credential.bytes()).u32(0).u32(0);
  if (program === 100_227) aclArgumentsOf(procedure, random, handles, writer);
  else argumentsOf(procedure, random, handles, writer);
  let call = Buffer.from(writer.bytes());
  const changes = random.below(4);
  for (let change = 0; change < changes; change += 1) {
    const at = random.below(call.length);
    const kind = random.below(4);
    if (kind === 0) call[at] = random.below(256);
    else if (kind === 1) call.writeUInt32BE(random.pick([0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]), at & ~3);
    else if (kind === 2) call = Buffer.from(call.subarray(0, at));
    else
      call = Buffer.concat([
        call.subarray(0, at),
        Buffer.alloc(random.below(64), random.below(256)),
        call.subarray(at),
      ]);
    if (call.length < 8) break;
    call = Buffer.concat([call, Buffer.alloc(-call.length & 3)]);
  }
  const head = Buffer.alloc(4);
  head.writeUInt32BE((0x8000_0000 | call.length) >>> 0);
  // Now and then a mark is wrong as well.
  if (random.oneIn(200)) head[random.below(4)] = random.below(256);
  return Buffer.concat([head, call]);
}

/** How many records end in these bytes. */
function recordsIn(assembler: RecordAssembler, bytes: Buffer): number {
  let count = 0;
  for (let at = 0; at < bytes.length;) {
    const place = assembler.next();
    const length = Math.min(place.length, bytes.length - at);
    bytes.copy(place.bytes, place.at, at, at + length);
    at += length;
    if (assembler.came(length) !== undefined) count += 1;
  }
  return count;
}

async function lives(client: NfsClient, directory: Uint8Array): Promise<boolean> {
  const { status: found } = await client.call(procedures.getAttributes, { handle: directory });
  return found === status.ok;
}

test('calls that were changed on the way cost nothing but themselves', async (t) => {
  t.timeout(3_600_000);
  const { connect: open, port } = await serveTree(t);
  const client = await open(root);
  const { handle: directory } = await client.mount('/data');
  const how = { mode: 'unchecked', attributes: nothingSet } as const;
  const random = new SeededRandom(11);
  let before = 0;
  let answered = 0;
  let handles: Handles = { directory, file: directory };
  for (let done = 0; done < calls; done += eachConnection) {
    if (done % eachFile === 0) {
      const made = await client.call(procedures.create, { directory, name: Buffer.from(`file${done}`), how });
      handles = { directory, file: made.ok!.handle! };
    }
    const replies = new RecordAssembler(2 ** 21);
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.on('error', () => undefined).on('data', (bytes) => (answered += recordsIn(replies, bytes)));
    for (let count = 0; count < eachConnection; count += 1) socket.write(mutated(random, handles, done + count));
    socket.end();
    const limit = setTimeout(() => socket.destroy(), 20_000);
    await once(socket, 'close');
    clearTimeout(limit);
    if (!(await lives(client, directory))) return t.fail(`the server is gone behind ${done} calls`);
    if (done >= calls / 4 && before === 0) before = process.memoryUsage().rss;
  }
  t.true(answered > calls / 4, `${answered} of ${calls} calls were answered`);
  t.log(`${answered} of ${calls} calls were answered`);
  const growth = process.memoryUsage().rss - before;
  t.true(growth < mostGrowthBytes, `memory grew by ${Math.round(growth / 2 ** 20)} MiB`);
});
