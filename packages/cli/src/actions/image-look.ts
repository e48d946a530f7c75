import { fileOf } from '@ashlar/disk';
import { createRealHost } from '@ashlar/host';
import {
  bitmapBytes,
  CompareError,
  compareDisks,
  measureImage,
  type Comparison,
  type ImageFormat,
  type MapRun,
} from '@ashlar/image';
import { exitStatus, sentenceOf, UsageError } from '../failure.ts';
import { optionsOf } from '../image/create-options.ts';
import { openSource, openSources, withSources } from '../image/disks.ts';
import { diskNamed, type NameOptions } from '../image/named.ts';
import { mapJson, mapLine, nothingAt, mapTitle } from '../image/map-text.ts';
import { withPercent, type ProgressOptions } from '../image/percent.ts';
import { snapshotNamed } from '../image/snapshot-name.ts';
import { print } from '../output.ts';

type Shown = { readonly output: 'human' | 'json'; readonly json?: boolean };

export type MapOptions = NameOptions &
  Shown & {
    readonly forceShare?: boolean;
    readonly startOffset: number;
    readonly maxLength?: number;
  };

export async function map(word: string, options: MapOptions): Promise<void> {
  const { json = false, maxLength = Infinity, output, startOffset } = options;
  const isJson = json || output === 'json';
  await withSources(
    openSources([diskNamed(word, options)], (each) => openSource(createRealHost(), each, options)),
    async ([source]) => {
      const end = Math.min(source!.sizeBytes, startOffset + maxLength);
      if (!isJson) print(mapTitle);
      let last: MapRun | undefined;
      for await (const run of source!.runs(startOffset, end)) {
        if (!isJson) {
          const line = mapLine(run);
          if (line !== undefined) print(line);
          continue;
        }
        process.stdout.write(last === undefined ? '[' : `${mapJson(last)},\n`);
        last = run;
      }
      if (isJson) print(`${last === undefined ? '[' : ''}${mapJson(last ?? nothingAt(startOffset))}]`);
    },
  );
}

export type MeasureOptions = NameOptions &
  Shown & {
    readonly outputFormat: ImageFormat;
    readonly options?: readonly string[];
    readonly size?: number;
    readonly snapshot?: string;
  };

export async function measure(word: string | undefined, options: MeasureOptions): Promise<void> {
  const { outputFormat, size } = options;
  const image = { ...optionsOf(outputFormat, options.options ?? []), format: outputFormat };
  if ((word === undefined) === (size === undefined)) throw new UsageError('name either a disk, or a size by --size');
  const host = createRealHost();
  const snapshot = snapshotNamed(options.snapshot);
  const disk = word === undefined ? undefined : diskNamed(word, options);
  const opening = openSources(disk === undefined ? [] : [disk], (each) => openSource(host, each, { snapshot }));
  await withSources(opening, async ([source]) => {
    const found = await measureImage(image, source, size ?? 0);
    const file = disk === undefined ? undefined : fileOf(disk.name, disk.format);
    const isQcow2 = source?.chain?.layers[0]?.qcow2 !== undefined;
    const bitmaps = file !== undefined && isQcow2 ? await bitmapBytes(host, file.path, image) : undefined;
    showMeasured(options, found.requiredBytes, found.fullBytes, bitmaps);
  });
}

function showMeasured(
  { json = false, output }: Shown,
  required: number,
  full: number,
  bitmaps: number | undefined,
): void {
  if (json || output === 'json') {
    const shown = { ...(bitmaps === undefined ? {} : { bitmaps }), required, 'fully-allocated': full };
    return print(JSON.stringify(shown, undefined, 4));
  }
  print(`required size: ${required}\nfully allocated size: ${full}`);
  if (bitmaps !== undefined) print(`bitmaps size: ${bitmaps}`);
}

export type CompareOptions = NameOptions &
  ProgressOptions & {
    readonly forceShare?: boolean;
    readonly secondFormat?: ImageFormat;
    readonly strict?: boolean;
  };

/** qemu-img's own: they differ; one cannot be opened; its map, or its contents, cannot be read. */
const compareStatus = { differ: 1, unopened: 2, map: 3, contents: 4 } as const;

/** Gives the status that the process ends with. */
export async function compare(first: string, second: string, options: CompareOptions): Promise<number> {
  const { quiet = false, secondFormat, strict = false } = options;
  const host = createRealHost();
  const say = (sentence: string): void => (quiet ? undefined : print(sentence));
  const complain = (sentence: string): void => void process.stderr.write(`ashlar: ${sentence}\n`);
  let opened;
  try {
    const disks = [diskNamed(first, options), diskNamed(second, { ...options, format: secondFormat })];
    opened = await openSources(disks, (each) => openSource(host, each, options));
  } catch (error) {
    complain(sentenceOf(error));
    return compareStatus.unopened;
  }
  try {
    const [one, other] = opened;
    const found = await withSources(Promise.resolve(opened), () =>
      withPercent(options, 'compared', (progress) => compareDisks(one!, other!, { isStrict: strict, progress })),
    );
    for (const sentence of sentencesOf(found)) say(sentence);
    return found.isSame ? exitStatus.done : compareStatus.differ;
  } catch (error) {
    if (!(error instanceof CompareError)) throw error;
    const name = [first, second][error.disk]!;
    const what = error.of === 'map' ? 'what is there cannot be told' : 'it cannot be read';
    complain(`'${name}' at byte ${error.offset}: ${what}: ${error.message}`);
    return compareStatus[error.of];
  }
}

function sentencesOf(found: Comparison): string[] {
  if (found.isSame) {
    return [...(found.sizesDiffer ? ['Warning: Image size mismatch!'] : []), 'Images are identical.'];
  }
  if (found.by === 'size') return ['Strict mode: Image size mismatch!'];
  if (found.by === 'status') return [`Strict mode: Offset ${found.offset} block status mismatch!`];
  return [
    ...(found.isBehindEnd ? ['Warning: Image size mismatch!'] : []),
    `Content mismatch at offset ${found.offset}!`,
  ];
}
