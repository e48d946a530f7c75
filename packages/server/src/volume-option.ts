import { AshlarError, formatSize, parseSize } from '@ashlar/core';
import type { Catalogue, VolumeType } from '@ashlar/volume';
import { checkName } from '@ashlar/volume/names';

/** A volume that is to be there. */
export type NamedVolume = { readonly name: string; readonly sizeBytes: number; readonly type?: VolumeType };

/** `--volume NAME:SIZE[:file]` taken apart. Throws `invalid`. */
export function parseVolumeOption(text: string): NamedVolume {
  const match = /^([^:]+):([^:]+)(:file)?$/.exec(text);
  if (match === null) {
    throw new AshlarError('invalid', `'${text}' is not NAME:SIZE[:file]: write one such as demo:10G or home:1T:file`);
  }
  const [, name = '', size = '', file] = match;
  checkName('volume', name);
  return { name, sizeBytes: parseSize(size), ...(file === undefined ? {} : { type: 'file' as const }) };
}

/** Makes the volume where it is not there. Throws `exists` when it is there with another size, or is of another type. */
export async function ensureVolume(
  catalogue: Catalogue,
  { name, sizeBytes, type = 'block' }: NamedVolume,
): Promise<void> {
  const there = catalogue.volumes().find((volume) => volume.name === name);
  if (there === undefined) {
    await catalogue.createVolume({ name, sizeBytes, type });
    return;
  }
  if (there.type !== type) {
    throw new AshlarError('exists', `the volume '${name}' is there already and is a ${there.type} volume`, {
      volume: name,
    });
  }
  if (there.sizeBytes === sizeBytes) return;
  const sizes = `${formatSize(there.sizeBytes)} (${there.sizeBytes} bytes) and not ${formatSize(sizeBytes)} (${sizeBytes} bytes)`;
  throw new AshlarError(
    'exists',
    `the volume '${name}' is there already and has ${sizes}: leave --volume out, or start without it and use 'ashlar volume resize ${name}'`,
    {
      volume: name,
    },
  );
}
