import type { Host } from '@ashlar/host';
import type { LogicalName } from './open-logical.ts';
import { groupNamed, scan } from './scan.ts';
import { blockDevicesWith } from './sysfs.ts';
import { withoutHyphens } from './uuid.ts';

/** The device by which the kernel has a logical volume, or nothing where it is not active. What is there of it is seen by that alone. */
export async function activePath(host: Host, { group: name, paths, volume }: LogicalName): Promise<string | undefined> {
  const { group } = groupNamed(await scan(host, paths), name);
  const found = group.logicalVolumes.find((each) => each.name === volume);
  if (found === undefined) return undefined;
  const uuid = `LVM-${withoutHyphens(group.id)}${withoutHyphens(found.id)}`;
  return blockDevicesWith(host, 'dm-', 'dm/uuid').find(({ text }) => text === uuid)?.path;
}
