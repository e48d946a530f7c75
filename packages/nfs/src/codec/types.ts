import { AshlarError, assert } from '@ashlar/core';
import { bigU64, fixed, opaque, optional, oneOf, struct, u32, u64, type ValueOf, type XdrType } from '@ashlar/wire';
import { createVerifierBytes, fileType, mostHandleBytes } from './constants.ts';

/** Longer ones than any file system has are read, so that they get an answer of their own. */
const mostNameBytes = 4096;
const mostLinkBytes = 65_536;

export const handle: XdrType<Uint8Array> = opaque(mostHandleBytes);
/** A name is bytes: which script they are of is the client's affair. */
export const name: XdrType<Uint8Array> = opaque(mostNameBytes);
export const linkText: XdrType<Uint8Array> = opaque(mostLinkBytes);

/** nfstime3. */
export const time = struct({ seconds: u32, nanoseconds: u32 });
export type Time = ValueOf<typeof time>;

/** specdata3: the numbers of a device. */
const deviceNumbers = struct({ major: u32, minor: u32 });

const type = oneOf('kind of a file', fileType.regular, fileType.fifo);

/** fattr3 (section 2.6). Sizes in bytes. */
const attributeFields = struct({
  type,
  mode: u32,
  links: u32,
  uid: u32,
  gid: u32,
  sizeBytes: u64,
  usedBytes: u64,
  device: deviceNumbers,
  fileSystem: bigU64,
  fileId: bigU64,
  accessed: time,
  modified: time,
  changed: time,
});
export type Attributes = ValueOf<typeof attributeFields>;

/** They are in most replies, and in a listing for each file: written field by field, rather than by names of fields. */
export const attributes: XdrType<Attributes> = {
  read: (reader) => attributeFields.read(reader),
  write(writer, value) {
    const { accessed, changed, device, modified } = value;
    type.write(writer, value.type);
    writer.u32(value.mode).u32(value.links).u32(value.uid).u32(value.gid).u64(value.sizeBytes).u64(value.usedBytes);
    writer.u32(device.major).u32(device.minor).bigU64(value.fileSystem).bigU64(value.fileId);
    writer.u32(accessed.seconds).u32(accessed.nanoseconds).u32(modified.seconds).u32(modified.nanoseconds);
    writer.u32(changed.seconds).u32(changed.nanoseconds);
  },
};

/** post_op_attr, post_op_fh3. */
export const attributesAfter = optional(attributes);
export const handleAfter = optional(handle);

const entryFields = struct({ fileId: bigU64, name, cookie: bigU64 });

/** entry3, without the one behind it. */
export const entry: XdrType<ValueOf<typeof entryFields>> = {
  read: (reader) => entryFields.read(reader),
  write(writer, value) {
    assert(value.name.length <= mostNameBytes, 'a name is within its bound');
    writer.bigU64(value.fileId).opaque(value.name).bigU64(value.cookie);
  },
};

/** What an entryplus3 has besides. */
const entryAfter = struct({ attributes: attributesAfter, handle: handleAfter });

/** entryplus3, without the one behind it. */
export const entryPlus: XdrType<ValueOf<typeof entry> & ValueOf<typeof entryAfter>> = {
  read: (reader) => ({ ...entry.read(reader), ...entryAfter.read(reader) }),
  write(writer, value) {
    entry.write(writer, value);
    attributesAfter.write(writer, value.attributes);
    handleAfter.write(writer, value.handle);
  },
};

/** wcc_attr: what tells a client whether it is the only one who changed something. */
const attributesBefore = optional(struct({ sizeBytes: u64, modified: time, changed: time }));

/** wcc_data. */
export const change = struct({ before: attributesBefore, after: attributesAfter });
export type Change = ValueOf<typeof change>;

/** set_atime and set_mtime: as it is, the server's time, or one that is given. */
export type NewTime = 'keep' | 'now' | Time;

const setsTo = { keep: 0, now: 1, given: 2 } as const;

const newTime: XdrType<NewTime> = {
  read(reader) {
    const how = reader.u32();
    if (how === setsTo.keep) return 'keep';
    if (how === setsTo.now) return 'now';
    if (how === setsTo.given) return time.read(reader);
    throw new AshlarError('invalid', `a time is set in the unknown way ${how}`);
  },
  write(writer, value) {
    if (typeof value === 'string') {
      writer.u32(setsTo[value]);
      return;
    }
    writer.u32(setsTo.given);
    time.write(writer, value);
  },
};

/** sattr3: what is to be set; the rest stays. */
export const newAttributes = struct({
  mode: optional(u32),
  uid: optional(u32),
  gid: optional(u32),
  sizeBytes: optional(u64),
  accessed: newTime,
  modified: newTime,
});
export type NewAttributes = ValueOf<typeof newAttributes>;

/** What leaves all as it is. */
export const nothingSet: NewAttributes = {
  mode: undefined,
  uid: undefined,
  gid: undefined,
  sizeBytes: undefined,
  accessed: 'keep',
  modified: 'keep',
};

/** createhow3: whether a file that is there is taken for what is made, refused, or taken where it was made by the same call. */
export type CreateHow =
  | { readonly mode: 'unchecked' | 'guarded'; readonly attributes: NewAttributes }
  | { readonly mode: 'exclusive'; readonly verifier: Uint8Array };

const createModes = ['unchecked', 'guarded', 'exclusive'] as const;
const createVerifier = fixed(createVerifierBytes);

export const createHow: XdrType<CreateHow> = {
  read(reader) {
    const mode = createModes[reader.u32()];
    if (mode === undefined) throw new AshlarError('invalid', 'a file is made in a way that is not known');
    if (mode === 'exclusive') return { mode, verifier: createVerifier.read(reader) };
    return { mode, attributes: newAttributes.read(reader) };
  },
  write(writer, value) {
    writer.u32(createModes.indexOf(value.mode));
    if (value.mode === 'exclusive') createVerifier.write(writer, value.verifier);
    else newAttributes.write(writer, value.attributes);
  },
};

/** mknoddata3. Of kinds that are not made so nothing more is sent. */
export type NodeData = {
  readonly type: number;
  readonly attributes: NewAttributes | undefined;
  readonly device: ValueOf<typeof deviceNumbers> | undefined;
};

const isDevice = (kind: number): boolean => kind === fileType.block || kind === fileType.character;
const isMade = (kind: number): boolean => isDevice(kind) || kind === fileType.socket || kind === fileType.fifo;

export const nodeData: XdrType<NodeData> = {
  read(reader) {
    const kind = type.read(reader);
    return {
      type: kind,
      attributes: isMade(kind) ? newAttributes.read(reader) : undefined,
      device: isDevice(kind) ? deviceNumbers.read(reader) : undefined,
    };
  },
  write(writer, value) {
    type.write(writer, value.type);
    assert(isMade(value.type) === (value.attributes !== undefined), 'what is made has attributes');
    if (value.attributes !== undefined) newAttributes.write(writer, value.attributes);
    assert(isDevice(value.type) === (value.device !== undefined), 'a device has its numbers');
    if (value.device !== undefined) deviceNumbers.write(writer, value.device);
  },
};
