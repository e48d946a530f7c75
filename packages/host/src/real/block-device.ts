import { readdirSync, readFileSync } from 'node:fs';

/** What the system says of a block device. */
export type DeviceFacts = {
  /** Bytes of its logical block. */
  readonly sectorBytes: number;
  /** It takes back room that is not needed any more. */
  readonly discards: boolean;
};

const plainSectorBytes = 512;

/** A device's number as sysfs and mountinfo write it (makedev(3)): `8:16`. */
function numberOf(device: number): string {
  const low = device % 2 ** 32;
  const major = ((low >>> 8) & 0xfff) + Math.floor(device / 2 ** 32) * 2 ** 12;
  const minor = (low & 0xff) | ((low >>> 12) & 0xfff00);
  return `${major}:${minor}`;
}

const folderOf = (number: string): string => `/sys/dev/block/${number}`;

/** A partition is asked by the disk that it is of. */
function limitOf(number: string, name: string): number | undefined {
  for (const queue of ['queue', '../queue']) {
    const text = textOf(`${folderOf(number)}/${queue}/${name}`);
    if (text !== undefined) return Number(text);
  }
  return undefined;
}

export function factsOf(device: number): DeviceFacts {
  const number = numberOf(device);
  return {
    sectorBytes: limitOf(number, 'logical_block_size') ?? plainSectorBytes,
    discards: (limitOf(number, 'discard_max_bytes') ?? 0) > 0,
  };
}

/** Who keeps a device from being opened by one alone, as far as can be seen: `sdb1 is mounted on /srv`. Empty: another process. */
export function usersOf(device: number): readonly string[] {
  const number = numberOf(device);
  const mounts = (textOf('/proc/self/mountinfo') ?? '').split('\n').map((line) => line.split(' '));
  return [number, ...partitionsOf(number)].flatMap((each) => {
    const name = nameOf(each);
    const places = mounts.filter(([, , mounted]) => mounted === each).map((fields) => fields[4]!);
    const holders = namesIn(`${folderOf(each)}/holders`);
    return [
      ...places.slice(0, 1).map((place) => `${name} is mounted on ${unescaped(place)}`),
      ...holders.map((holder) => `${name} is used by ${holder}`),
    ];
  });
}

function partitionsOf(number: string): readonly string[] {
  return namesIn(folderOf(number)).flatMap((name) => {
    const isPartition = textOf(`${folderOf(number)}/${name}/partition`) !== undefined;
    const found = isPartition ? textOf(`${folderOf(number)}/${name}/dev`) : undefined;
    return found === undefined ? [] : [found.trim()];
  });
}

function nameOf(number: string): string {
  const found = /^DEVNAME=(.*)$/m.exec(textOf(`${folderOf(number)}/uevent`) ?? '');
  return found?.[1] ?? number;
}

/** mountinfo writes spaces, tabs, line ends and backslashes by their octal numbers (proc(5)). */
const unescaped = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCodePoint(Number.parseInt(octal, 8)));

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    // What the system does not tell is not known.
    return [];
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // As above.
    return undefined;
  }
}
