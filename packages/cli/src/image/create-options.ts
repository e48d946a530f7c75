import { AshlarError, parseSize } from '@ashlar/core';
import { parseFields } from '@ashlar/disk';
import type { ImageFormat, NewImage } from '@ashlar/image';

type Mutable = { -readonly [K in keyof NewImage]?: NewImage[K] };

const formats: Readonly<Record<string, 2 | 3>> = { '0.10': 2, v2: 2, '1.1': 3, v3: 3 };

function isOn(name: string, text: string): boolean {
  if (text === 'on' || text === 'off') return text === 'on';
  throw new AshlarError('invalid', `the option '${name}' is on or off, and not '${text}'`);
}

function oneOf<T extends string>(name: string, text: string, choices: readonly T[]): T {
  const found = choices.find((each) => each === text);
  if (found !== undefined) return found;
  throw new AshlarError('invalid', `the option '${name}' is one of ${choices.join(', ')}, and not '${text}'`);
}

/** Options of qemu-img's `-o`, by their names there. */
const setters: Readonly<Record<string, (image: Mutable, text: string, name: string) => void>> = {
  size: (image, text) => void (image.sizeBytes = parseSize(text)),
  preallocation: (image, text, name) =>
    void (image.preallocation = oneOf(name, text, ['off', 'metadata', 'falloc', 'full'])),
  compat: (image, text, name) => {
    const version = formats[text];
    if (version === undefined)
      throw new AshlarError('invalid', `the option '${name}' is 0.10 or 1.1, and not '${text}'`);
    image.version = version;
  },
  backing_file: (image, text) => void (image.backingFile = text),
  backing_fmt: (image, text) => void (image.backingFormat = text),
  cluster_size: (image, text) => void (image.clusterBytes = parseSize(text)),
  refcount_bits: (image, text) => void (image.refcountBits = Number(text)),
  lazy_refcounts: (image, text, name) => void (image.lazyRefcounts = isOn(name, text)),
  extended_l2: (image, text, name) => void (image.extendedL2 = isOn(name, text)),
  compression_type: (image, text, name) => void (image.compression = oneOf(name, text, ['zlib', 'zstd'])),
  data_file: (image, text) => void (image.dataFile = text),
  data_file_raw: (image, text, name) => void (image.dataFileRaw = isOn(name, text)),
};

const rawOptions = ['size', 'preallocation'];

/** Parses what `-o` was given: `NAME=VALUE,NAME=VALUE`, where two commas are one in a value. Throws `invalid`. */
export function optionsOf(format: ImageFormat, given: readonly string[]): Mutable {
  const image: Mutable = {};
  for (const text of given) {
    for (const [name, value] of parseFields(text)) {
      const set = format === 'raw' && !rawOptions.includes(name) ? undefined : setters[name];
      if (set === undefined)
        throw new AshlarError('invalid', `an image of the format ${format} has no option '${name}'`);
      set(image, value, name);
    }
  }
  return image;
}

/** The line that qemu-img begins with. */
export function formattingText(path: string, image: NewImage, sizeBytes: number, given: Mutable): string {
  const words: string[] = [`fmt=${image.format}`];
  const add = (name: string, value: string | number | boolean | undefined): void => {
    if (value !== undefined) words.push(`${name}=${typeof value === 'boolean' ? (value ? 'on' : 'off') : value}`);
  };
  const is2 = image.format === 'qcow2';
  if (is2) add('cluster_size', image.clusterBytes ?? 65_536);
  if (is2) add('extended_l2', image.extendedL2 ?? false);
  if (is2) add('preallocation', given.preallocation);
  if (is2) add('compression_type', image.compression ?? 'zlib');
  add('size', sizeBytes);
  if (!is2) add('preallocation', given.preallocation);
  if (is2) {
    add('compat', given.version === undefined ? undefined : given.version === 2 ? '0.10' : '1.1');
    add('backing_file', image.backingFile);
    add('backing_fmt', image.backingFormat);
    add('data_file', image.dataFile);
    add('data_file_raw', given.dataFileRaw);
    add('lazy_refcounts', image.lazyRefcounts ?? false);
    add('refcount_bits', image.refcountBits ?? 16);
  }
  return `Formatting '${path}', ${words.join(' ')}`;
}
