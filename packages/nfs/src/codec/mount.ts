import { array, fixed, list, opaque, struct, u32, xdrVoid, type XdrType } from '@ashlar/wire';
import { mostHandleBytes, mostHostBytes, mostPathBytes } from './constants.ts';

const path = struct({ path: opaque(mostPathBytes) });
const mounts = list(struct({ host: opaque(mostHostBytes), path: opaque(mostPathBytes) }), 100_000);
const exports = list(struct({ path: opaque(mostPathBytes), groups: list(opaque(mostHostBytes), 10_000) }), 100_000);

type MountProcedure<A, R> = {
  readonly number: number;
  readonly name: string;
  readonly args: XdrType<A>;
  readonly result: XdrType<R>;
};

const procedure = <A, R>(number: number, name: string, args: XdrType<A>, result: XdrType<R>): MountProcedure<A, R> => ({
  number,
  name,
  args,
  result,
});

/** MOUNT (RFC 1813, appendix I); versions 1 and 3 differ in what MNT gives behind its status. */
export const mountProcedures = {
  null: procedure(0, 'NULL', xdrVoid, xdrVoid),
  dump: procedure(2, 'DUMP', xdrVoid, mounts),
  unmount: procedure(3, 'UMNT', path, xdrVoid),
  unmountAll: procedure(4, 'UMNTALL', xdrVoid, xdrVoid),
  exports: procedure(5, 'EXPORT', xdrVoid, exports),
} as const;

/** MNT: a path, and behind the status ok a handle of version 3 with the flavors of credentials that are taken, or one of version 1. */
export const mount = {
  number: 1,
  args: path,
  ok3: struct({ handle: opaque(mostHandleBytes), flavors: array(u32, 16) }),
  ok1: struct({ handle: fixed(32) }),
} as const;
