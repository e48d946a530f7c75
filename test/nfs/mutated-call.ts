import { nfsAclProcedures, procedures, nothingSet } from '@ashlar/nfs';
import type { SeededRandom } from '@ashlar/testing';
import { XdrWriter } from '@ashlar/wire';

/** Of what calls are about. */
export type Handles = {
  readonly directory: Uint8Array;
  readonly file: Uint8Array;
  /** Of what the caller may do nothing with. */
  readonly closed: Uint8Array;
};

/** How much is asked for: now and then far more than there can be. */
const countOf = (random: SeededRandom, most: number): number =>
  random.oneIn(10) ? random.pick([0x7fff_ffff, 0xffff_ffff]) : random.below(most);

/** Arguments of a call of any procedure that a server would take. */
function argumentsOf(procedure: number, random: SeededRandom, handles: Handles, writer: XdrWriter): void {
  const { directory } = handles;
  const name = Buffer.from(`n${random.below(5)}`);
  const handle = random.pick([handles.file, handles.file, directory, handles.closed]);
  const place = random.oneIn(4) ? handles.closed : directory;
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
      return lookup.args.write(writer, { directory: place, name });
    case procedures.access.number:
      return procedures.access.args.write(writer, { handle, access: 63 });
    case read.number:
      return read.args.write(writer, { handle, offset: random.below(10_000), count: countOf(random, 10_000) });
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
      return create.args.write(writer, { directory: place, name, how });
    case makeDirectory.number:
      return makeDirectory.args.write(writer, { directory, name, attributes: nothingSet });
    case makeLink.number:
      return makeLink.args.write(writer, { directory, name, attributes: nothingSet, text: name });
    case rename.number:
      return rename.args.write(writer, { from: { directory: place, name }, to: { directory, name: Buffer.from('m') } });
    case link.number:
      return link.args.write(writer, { handle, link: { directory, name } });
    case readDirectory.number:
      return readDirectory.args.write(writer, { directory: place, cookie: 0n, verifier, count: countOf(random, 8192) });
    case readDirectoryPlus.number:
      return readDirectoryPlus.args.write(writer, {
        directory: place,
        cookie: 0n,
        verifier,
        directoryBytes: countOf(random, 8192),
        mostBytes: countOf(random, 8192),
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
function aclArgumentsOf(procedure: number, random: SeededRandom, { closed, file }: Handles, writer: XdrWriter): void {
  const { get, set } = nfsAclProcedures;
  const mask = random.below(16);
  const handle = random.oneIn(4) ? closed : file;
  if (procedure !== set.number) return get.args.write(writer, { handle, mask });
  const types = [1, 2, 4, 8, 16, 32];
  const access = types.map((type) => ({ type, id: random.below(5), permissions: random.below(8) }));
  const lists = { accessCount: access.length, access, inheritedCount: 0, inherited: [] };
  return set.args.write(writer, { handle, mask, acls: lists });
}

/** A call, and what becomes of it on the way. */
export function mutated(random: SeededRandom, handles: Handles, xid: number): Buffer {
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
  const record = random.oneIn(20) ? inPieces(call, random) : fragment(call, true);
  // Now and then a mark is wrong as well.
  if (random.oneIn(200)) record[random.below(4)] = random.below(256);
  return record;
}

function fragment(bytes: Uint8Array, isLast: boolean): Buffer {
  const mark = Buffer.alloc(4);
  mark.writeUInt32BE(((isLast ? 0x8000_0000 : 0) | bytes.length) >>> 0);
  return Buffer.concat([mark, bytes]);
}

/** A record in many fragments, of a byte each or of any size, some of them empty. */
function inPieces(call: Buffer, random: SeededRandom): Buffer {
  const most = random.pick([1, 1, 8, 64]);
  const pieces: Buffer[] = [];
  for (let at = 0; at < call.length;) {
    const length = most === 1 ? 1 : random.below(most + 1);
    pieces.push(fragment(call.subarray(at, at + length), at + length >= call.length));
    at += length;
  }
  return Buffer.concat(pieces);
}
