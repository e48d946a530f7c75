import { nothingSet } from '../codec/types.ts';
import { mountProgram, status } from '../codec/constants.ts';
import { mount } from '../codec/mount.ts';
import { procedures, type OkOf } from '../codec/procedures.ts';
import { connectRpc } from '../client/connect.ts';
import { Failed } from './outcome.ts';
import { named, owner, sysOf } from './samples.ts';
import { Session, statusName } from './session.ts';
import type { Target } from './target.ts';

/** What the server says of itself. */
export type Facts = {
  /** Of what is mounted. */
  readonly root: Uint8Array;
  readonly flavors: readonly number[];
  readonly information: OkOf<typeof procedures.information>;
  readonly limits: OkOf<typeof procedures.pathLimits>;
  readonly isRootSquashed: boolean;
};

/** Mounts, makes the directory that the checks are made in, and looks. Throws Failed. */
export async function look(
  target: Target,
  name: string,
  timeoutMs: number,
): Promise<{ facts: Facts; scratch: Uint8Array }> {
  const rpc = await connectRpc(target.mount, { sys: sysOf(0, 0), timeoutMs });
  const reader = await rpc.call(mountProgram, 3, mount.number, (writer) =>
    mount.args.write(writer, { path: Buffer.from(target.path) }),
  );
  const mounted = reader.u32();
  if (mounted !== status.ok) throw new Failed(`'${target.path}' cannot be mounted: ${statusName(mounted)}`);
  const { flavors, handle: root } = mount.ok3.read(reader);
  rpc.close();
  const asRoot = await Session.open(target.nfs, sysOf(0, 0), timeoutMs);
  const asOwner = await Session.open(target.nfs, owner, timeoutMs);
  try {
    const { scratch, isRootSquashed } = await makeScratch(asRoot, asOwner, root, name);
    const information = await asOwner.ok(procedures.information, { handle: root });
    const limits = await asOwner.ok(procedures.pathLimits, { handle: root });
    return { facts: { root, flavors, information, limits, isRootSquashed }, scratch };
  } finally {
    asRoot.close();
    asOwner.close();
  }
}

async function makeScratch(asRoot: Session, asOwner: Session, root: Uint8Array, name: string) {
  const making = { directory: root, name: named(name), attributes: { ...nothingSet, mode: 0o777 } };
  for (const session of [asRoot, asOwner]) {
    const made = await session.call(procedures.makeDirectory, making);
    if (made.status !== status.ok) continue;
    const found = await session.ok(procedures.lookup, { directory: root, name: named(name) });
    const { attributes } = await session.ok(procedures.getAttributes, { handle: found.handle });
    // Whatever the server made of it, everybody may write to it.
    await session.ok(procedures.setAttributes, {
      handle: found.handle,
      attributes: { ...nothingSet, mode: 0o777 },
      guard: undefined,
    });
    return { scratch: found.handle, isRootSquashed: session === asOwner || attributes.uid !== 0 };
  }
  throw new Failed(
    'neither root nor the user 1001 may make a directory there: give an export that one of them may write to',
  );
}
