import type { ObjectStore, Random } from '@ashlar/core';

/** Outside of the catalogue's keys. */
const recordKey = Buffer.from('x-nfs-handle-key');
const keyBytes = 16;

/** The key that NFS handles are made with: the pool's own, for ever, and no one else's. */
export async function nfsHandleKey(
  records: Pick<ObjectStore, 'commit' | 'getRecord'>,
  random: Random,
): Promise<Uint8Array> {
  const there = await records.getRecord(recordKey);
  if (there !== undefined) return there;
  const key = new Uint8Array(keyBytes);
  random.fill(key);
  await records.commit([{ key: recordKey, value: key }], true);
  return key;
}
