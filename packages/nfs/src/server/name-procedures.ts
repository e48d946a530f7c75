import {
  andThen,
  AshlarError,
  type FileChange,
  type LinkedFile,
  type MadeFile,
  type RenamedFile,
  type Settled,
} from '@ashlar/core';
import { procedures } from '../codec/procedures.ts';
import type { Change } from '../codec/types.ts';
import { durably, on, type Call, type Target } from './call.ts';
import { changeOn, typeNumbered } from './convert.ts';
import type { NfsExport } from './exports.ts';
import { handler, keeping } from './handler.ts';

const crossDevice = (): AshlarError => new AshlarError('cross-device', 'the files are of two exports');

const unknownChange = (call: Call, handle: Uint8Array): Settled<Change> =>
  andThen(call.attributesNow(handle), (after) => ({ before: undefined, after }));

const directoryFailed = (call: Call, { directory }: { readonly directory: Uint8Array }) =>
  andThen(unknownChange(call, directory), (directoryChange) => ({ directoryChange }));

/** What is told of a file that was made. */
const madeOn = (call: Call, target: Target) => (made: MadeFile) => ({
  handle: call.handleOf(target, made.file),
  after: on(target, made.attributes),
  directoryChange: changeOn(target.exported.fileSystem, made.directoryChange),
});

/** The root of another file system, found by a name in a directory. */
function entered(call: Call, directory: Target, exported: NfsExport) {
  const { tree } = exported;
  const target: Target = { exported, tree, file: tree.root, who: directory.who };
  return andThen(tree.getAttributes(tree.root), (found) =>
    andThen(directory.tree.getAttributes(directory.file), (attributes) => ({
      handle: call.handleOf(target, tree.root),
      after: on(target, found),
      directoryAfter: on(directory, attributes),
    })),
  );
}

export const lookup = handler(procedures.lookup, {
  run: (call, { directory, name }) => {
    const target = call.target(directory);
    const crossed = target.exported.cross?.(target.file, name);
    if (crossed !== undefined) return entered(call, target, crossed);
    return andThen(target.tree.lookup(target.file, name, target.who), (found) => ({
      handle: call.handleOf(target, found.file),
      after: on(target, found.attributes),
      directoryAfter: on(target, found.directory),
    }));
  },
  fail: (call, { directory }) => andThen(call.attributesNow(directory), (directoryAfter) => ({ directoryAfter })),
});

export const create = handler(procedures.create, {
  run: (call, { directory, how, name }) => {
    const target = call.changing(directory);
    const { file, tree, who } = target;
    const { receipt, tell } = keeping(call, procedures.create, madeOn(call, target));
    return andThen(durably(target, tree.create(file, name, how, { who, receipt })), tell);
  },
  fail: directoryFailed,
});

export const makeDirectory = handler(procedures.makeDirectory, {
  run: (call, { attributes, directory, name }) => {
    const target = call.changing(directory);
    const { file, tree, who } = target;
    const { receipt, tell } = keeping(call, procedures.makeDirectory, madeOn(call, target));
    const made = tree.makeDirectory(file, name, attributes, { who, receipt });
    return andThen(durably(target, made), tell);
  },
  fail: directoryFailed,
});

export const makeLink = handler(procedures.makeLink, {
  run: (call, { attributes, directory, name, text }) => {
    const target = call.changing(directory);
    const { file, tree, who } = target;
    const { receipt, tell } = keeping(call, procedures.makeLink, madeOn(call, target));
    const made = tree.makeLink(file, name, text, attributes, { who, receipt });
    return andThen(durably(target, made), tell);
  },
  fail: directoryFailed,
});

const noDevice = { major: 0, minor: 0 };

export const makeNode = handler(procedures.makeNode, {
  run: (call, { directory, name, node }) => {
    const target = call.changing(directory);
    const { file, tree, who } = target;
    const { receipt, tell } = keeping(call, procedures.makeNode, madeOn(call, target));
    const attributes = node.attributes ?? {};
    const type = typeNumbered(node.type);
    const made = tree.makeNode(file, name, type, node.device ?? noDevice, attributes, { who, receipt });
    return andThen(durably(target, made), tell);
  },
  fail: directoryFailed,
});

export const remove = handler(procedures.remove, {
  run: (call, { directory, name }) => {
    const target = call.changing(directory);
    const { receipt, tell } = keeping(call, procedures.remove, (change: FileChange) => ({
      directoryChange: changeOn(target.exported.fileSystem, change),
    }));
    const removed = target.tree.remove(target.file, name, { who: target.who, receipt });
    return andThen(durably(target, removed), tell);
  },
  fail: directoryFailed,
});

export const removeDirectory = handler(procedures.removeDirectory, {
  run: (call, { directory, name }) => {
    const target = call.changing(directory);
    const { receipt, tell } = keeping(call, procedures.removeDirectory, (change: FileChange) => ({
      directoryChange: changeOn(target.exported.fileSystem, change),
    }));
    const removed = target.tree.removeDirectory(target.file, name, { who: target.who, receipt });
    return andThen(durably(target, removed), tell);
  },
  fail: directoryFailed,
});

export const rename = handler(procedures.rename, {
  run: (call, { from, to }) => {
    const source = call.changing(from.directory);
    const target = call.changing(to.directory);
    if (source.exported.fileSystem !== target.exported.fileSystem) throw crossDevice();
    const { fileSystem } = target.exported;
    const { receipt, tell } = keeping(call, procedures.rename, ({ fromChange, toChange }: RenamedFile) => ({
      fromChange: changeOn(fileSystem, fromChange),
      toChange: changeOn(fileSystem, toChange),
    }));
    const request = { who: source.who, receipt };
    const renamed = source.tree.rename(source.file, from.name, target.file, to.name, request);
    return andThen(durably(target, renamed), tell);
  },
  fail: (call, { from, to }) =>
    andThen(unknownChange(call, from.directory), (fromChange) =>
      andThen(unknownChange(call, to.directory), (toChange) => ({ fromChange, toChange })),
    ),
});

export const link = handler(procedures.link, {
  run: (call, { handle, link: place }) => {
    const source = call.changing(handle);
    const target = call.changing(place.directory);
    if (source.exported.fileSystem !== target.exported.fileSystem) throw crossDevice();
    const { receipt, tell } = keeping(call, procedures.link, ({ attributes, directoryChange }: LinkedFile) => ({
      after: on(source, attributes),
      directoryChange: changeOn(target.exported.fileSystem, directoryChange),
    }));
    const linked = source.tree.link(source.file, target.file, place.name, { who: source.who, receipt });
    return andThen(durably(target, linked), tell);
  },
  fail: (call, { handle, link: place }) =>
    andThen(call.attributesNow(handle), (after) =>
      andThen(unknownChange(call, place.directory), (directoryChange) => ({ after, directoryChange })),
    ),
});
