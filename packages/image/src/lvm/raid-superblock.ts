import type { BlockReads } from '@ashlar/block';

/**
 * What the kernel writes at the beginning of an image's metadata (drivers/md/dm-raid.c, struct dm_raid_superblock), little endian:
 *
 *   0 "DmRd" u32 · 8 devices u32 · 12 its position u32 · 16 events u64 · 24 failed devices, a bit each, u64 · 32 up to where it is recovered u64
 */
const magic = 0x6452_6d44;
const superblockBytes = 512;
const whole = 0xffff_ffff_ffff_ffffn;

type State = {
  readonly position: number;
  readonly events: bigint;
  readonly failed: bigint;
  readonly recovered: bigint;
};

type Image = { readonly metadata: BlockReads | undefined; readonly data: BlockReads };

async function stateOf({ metadata }: Image): Promise<State | undefined> {
  if (metadata === undefined) return undefined;
  const bytes = Buffer.alloc(superblockBytes);
  await metadata.read(0, bytes);
  if (bytes.readUInt32LE(0) !== magic) return undefined;
  return {
    position: bytes.readUInt32LE(12),
    events: bytes.readBigUInt64LE(16),
    failed: bytes.readBigUInt64LE(24),
    recovered: bytes.readBigUInt64LE(32),
  };
}

/** The first copy that the kernel's last words of it call whole. Before the kernel has used any of them, the first: it is what the others become. */
export async function imageInSync<T extends Image>(images: readonly T[]): Promise<T | undefined> {
  const states: (State | undefined)[] = [];
  for (const image of images) states.push(await stateOf(image));
  const newest = states.reduce(
    (most, state) => (state !== undefined && (most === undefined || state.events > most.events) ? state : most),
    undefined,
  );
  if (newest === undefined) return images[0];
  const at = states.findIndex(
    (state) =>
      state !== undefined &&
      state.events === newest.events &&
      state.recovered === whole &&
      ((newest.failed >> BigInt(state.position)) & 1n) === 0n,
  );
  return at < 0 ? undefined : images[at];
}
