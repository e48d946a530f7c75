import { andThen, fileAccess, type FileChange } from '@ashlar/core';
import { accessBit, fileSystemBit } from '../codec/constants.ts';
import { procedures } from '../codec/procedures.ts';
import { durably, on } from './call.ts';
import { changeOn, stabilityNumber, stabilityNumbered } from './convert.ts';
import { handler, keeping } from './handler.ts';

/** Bits of ACCESS, as trees have them. */
const accessBits = [
  [accessBit.read, fileAccess.read],
  [accessBit.lookup, fileAccess.lookup],
  [accessBit.modify, fileAccess.modify],
  [accessBit.extend, fileAccess.extend],
  [accessBit.delete, fileAccess.delete],
  [accessBit.execute, fileAccess.execute],
] as const;

const translated = (bits: number, from: 0 | 1): number =>
  accessBits.reduce((sum, pair) => ((bits & pair[from]) === 0 ? sum : sum | pair[1 - from]!), 0);

export const getAttributes = handler(procedures.getAttributes, {
  run: (call, { handle }) => {
    const target = call.target(handle);
    return andThen(target.tree.getAttributes(target.file), (found) => ({ attributes: on(target, found) }));
  },
  fail: () => undefined,
});

export const setAttributes = handler(procedures.setAttributes, {
  run: (call, { attributes, guard, handle }) => {
    const target = call.changing(handle);
    const { exported, file, tree, who } = target;
    const { receipt, tell } = keeping(call, procedures.setAttributes, (change: FileChange) => ({
      change: changeOn(exported.fileSystem, change),
    }));
    const changed = tree.setAttributes(file, attributes, guard, { who, receipt });
    return andThen(durably(target, changed), tell);
  },
  fail: (call, { handle }) =>
    andThen(call.attributesNow(handle), (after) => ({ change: { before: undefined, after } })),
});

export const access = handler(procedures.access, {
  run: (call, { access: wanted, handle }) => {
    const target = call.target(handle);
    const isReadOnly = target.exported.readOnly || target.tree.readOnly;
    const changes = accessBit.modify | accessBit.extend | accessBit.delete;
    const asked = translated(isReadOnly ? wanted & ~changes : wanted, 0);
    return andThen(target.tree.access(target.file, asked, target.who), ({ attributes, granted }) => ({
      after: on(target, attributes),
      access: translated(granted, 1) & wanted,
    }));
  },
  fail: (call, { handle }) => andThen(call.attributesNow(handle), (after) => ({ after })),
});

export const readLink = handler(procedures.readLink, {
  run: (call, { handle }) => {
    const target = call.target(handle);
    return andThen(target.tree.readLink(target.file, target.who), ({ attributes, text }) => ({
      after: on(target, attributes),
      text,
    }));
  },
  fail: (call, { handle }) => andThen(call.attributesNow(handle), (after) => ({ after })),
});

/** Of a reply that its session writes by itself, where the bytes are. */
export const readFailed = (call: Parameters<typeof getAttributes.fail>[0], handle: Uint8Array) =>
  andThen(call.attributesNow(handle), (after) => ({ after }));

export const write = handler(procedures.write, {
  run: (call, { count, data, handle, offset, stability }) => {
    const target = call.changing(handle);
    const { exported, file, tree, who } = target;
    // As RFC 1813 has it, what is not sent is not written.
    const from = data.subarray(0, count);
    return andThen(tree.write(file, offset, from, stabilityNumbered(stability), who), ({ change, committed }) => ({
      change: changeOn(exported.fileSystem, change),
      count: from.length,
      committed: stabilityNumber[committed],
      verifier: tree.writeVerifier,
    }));
  },
  fail: (call, { handle }) =>
    andThen(call.attributesNow(handle), (after) => ({ change: { before: undefined, after } })),
});

export const commit = handler(procedures.commit, {
  run: (call, { count, handle, offset }) => {
    const { exported, file, tree } = call.changing(handle);
    return andThen(tree.commit(file, offset, count), (change) => ({
      change: changeOn(exported.fileSystem, change),
      verifier: tree.writeVerifier,
    }));
  },
  fail: (call, { handle }) =>
    andThen(call.attributesNow(handle), (after) => ({ change: { before: undefined, after } })),
});

export const statistics = handler(procedures.statistics, {
  run: (call, { handle }) => {
    const { tree } = call.target(handle);
    return andThen(call.attributesNow(handle), (after) =>
      andThen(tree.statistics(), (found) => ({
        after,
        totalBytes: found.totalBytes,
        freeBytes: found.freeBytes,
        availableBytes: found.availableBytes,
        totalFiles: found.totalFiles,
        freeFiles: found.freeFiles,
        availableFiles: found.freeFiles,
        steadySeconds: 0,
      })),
    );
  },
  fail: (call, { handle }) => andThen(call.attributesNow(handle), (after) => ({ after })),
});

/** What a directory is best listed by. */
const directoryBytes = 65_536;

export const information = handler(procedures.information, {
  run: (call, { handle }) => {
    const { tree } = call.target(handle);
    const { mostDataBytes } = call.service;
    return andThen(call.attributesNow(handle), (after) => ({
      after,
      mostReadBytes: mostDataBytes,
      preferredReadBytes: mostDataBytes,
      readMultiple: 4096,
      mostWriteBytes: mostDataBytes,
      preferredWriteBytes: mostDataBytes,
      writeMultiple: 4096,
      preferredDirectoryBytes: directoryBytes,
      mostFileBytes: BigInt(tree.limits.mostFileBytes),
      timeDelta: { seconds: 0, nanoseconds: 1 },
      properties: fileSystemBit.link | fileSystemBit.symlink | fileSystemBit.homogeneous | fileSystemBit.canSetTime,
    }));
  },
  fail: (call, { handle }) => andThen(call.attributesNow(handle), (after) => ({ after })),
});

export const pathLimits = handler(procedures.pathLimits, {
  run: (call, { handle }) => {
    const { tree } = call.target(handle);
    return andThen(call.attributesNow(handle), (after) => ({
      after,
      mostLinks: tree.limits.mostLinks,
      mostNameBytes: tree.limits.mostNameBytes,
      noTruncation: true,
      chownRestricted: true,
      caseInsensitive: false,
      casePreserving: true,
    }));
  },
  fail: (call, { handle }) => andThen(call.attributesNow(handle), (after) => ({ after })),
});
