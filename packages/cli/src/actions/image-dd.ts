import { alignUp, AshlarError, parseSize } from '@ashlar/core';
import { fileOf } from '@ashlar/disk';
import { createRealHost } from '@ashlar/host';
import { copyDisk, createTarget, partOf, type ImageFormat } from '@ashlar/image';
import { UsageError } from '../failure.ts';
import { flattened, refuseItself } from '../image/copies.ts';
import { diskNamed, type NameOptions } from '../image/named.ts';
import { openSource, openSources, withSources } from '../image/disks.ts';

export type DdOptions = NameOptions & {
  readonly forceShare?: boolean;
  readonly outputFormat: ImageFormat;
};

/** What `dd` is told, as NAME=VALUE. */
type Operands = {
  readonly if: string;
  readonly of: string;
  readonly bs: number;
  readonly count?: number;
  readonly skip: number;
};

export async function dd(words: readonly string[], options: DdOptions): Promise<void> {
  const { bs, count, if: input, of: output, skip } = operandsOf(words);
  const host = createRealHost();
  const { outputFormat: format } = options;
  await withSources(
    openSources([diskNamed(input, options)], (each) => openSource(host, each, options)),
    async ([source]) => {
      refuseItself([source!], output);
      const file = fileOf(output, format);
      if (file === undefined)
        throw new AshlarError(
          'unsupported',
          `'${output}' is no file: 'ashlar image convert' writes to disks that are there`,
        );
      const start = skip * bs;
      const end = Math.min(source!.sizeBytes, count === undefined ? Infinity : start + count * bs);
      if (start > end) process.stderr.write(`ashlar: '${input}' ends before byte ${start}: nothing is left to copy\n`);
      const part = partOf(source!, start, Math.max(0, end - start));
      const target = await createTarget(host, file.path, { format, sizeBytes: alignUp(part.sizeBytes, 512) }, false);
      try {
        await copyDisk(part, target, {
          requests: 8,
          sparseBytes: 4096,
          isUnordered: false,
          kindOf: flattened,
          progress: () => undefined,
        });
        await target.finish(true);
      } finally {
        await target.close();
      }
    },
  );
}

const mostBlockBytes = 2 ** 31 - 1;

function operandsOf(words: readonly string[]): Operands {
  const found = new Map<string, string>();
  for (const word of words) {
    const [, name = '', value = ''] = /^(if|of|bs|count|skip)=(.*)$/s.exec(word) ?? [];
    if (name === '') throw new UsageError(`'${word}' is none of if=FILE, of=FILE, bs=SIZE, count=BLOCKS, skip=BLOCKS`);
    found.set(name, value);
  }
  const [input, output] = [found.get('if'), found.get('of')];
  if (input === undefined || output === undefined) throw new UsageError('name both: if=FILE of=FILE');
  const number = (name: string): number | undefined => {
    const text = found.get(name);
    return text === undefined ? undefined : parseSize(text);
  };
  const bs = number('bs') ?? 512;
  if (bs < 1 || bs > mostBlockBytes) throw new UsageError(`bs is from 1 to ${mostBlockBytes} bytes`);
  const count = number('count');
  return { if: input, of: output, bs, skip: number('skip') ?? 0, ...(count === undefined ? {} : { count }) };
}
