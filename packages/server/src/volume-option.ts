import { AshlarError, formatSize, parseSize } from '@ashlar/core';
import type { Catalogue } from '@ashlar/volume';
import { checkName } from '@ashlar/volume/names';

/** `--volume NAME:SIZE` taken apart. Throws `invalid`. */
export function parseVolumeOption(text: string): { readonly name: string; readonly sizeBytes: number } {
  const match = /^([^:]+):([^:]+)$/.exec(text);
  if (match === null) throw new AshlarError('invalid', `'${text}' is not NAME:SIZE: write one such as demo:10G`);
  const [, name = '', size = ''] = match;
  checkName('volume', name);
  return { name, sizeBytes: parseSize(size) };
}

/** Makes the volume where it is not there. Throws `exists` when it is there with another size. */
export async function ensureVolume(catalogue: Catalogue, name: string, sizeBytes: number): Promise<void> {
  const there = catalogue.volumes().find((volume) => volume.name === name);
  if (there === undefined) {
    await catalogue.createVolume({ name, sizeBytes });
    return;
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
