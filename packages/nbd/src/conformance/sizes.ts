import { isPowerOfTwo } from '@ashlar/core';
import type { Check } from './check.ts';
import type { Client } from './client.ts';
import { info, isErrorReply, nameOfOptionReply, option, optionReply, transmissionFlag } from './constants.ts';
import { formatBytes } from './format.ts';
import { blockSize, extended, structured } from './needs.ts';
import { parseInfo, type ExportInfo } from './negotiation.ts';
import { expect } from './outcome.ts';

const { blockStatusPayload, df, fastZero, flush, fua, hasFlags, writeZeroes } = transmissionFlag;
const flagsSource = 'Transmission flags';
const sizesSource = 'Size constraints';

/** Information about the export after one of the options that change the flags. */
async function infoAfter(client: Client, ...options: readonly number[]): Promise<ExportInfo> {
  const negotiation = await client.negotiate();
  for (const number of options) await negotiation.acknowledged(number);
  return parseInfo(await negotiation.acknowledged(option.info, client.infoData([info.blockSize])));
}

const flagChecks: readonly Check[] = [
  {
    id: 'flags.has-flags',
    title: 'NBD_FLAG_HAS_FLAGS is set',
    source: flagsSource,
    level: 'MUST',
    run: async (client) => {
      const { flags } = await infoAfter(client);
      expect((flags & hasFlags) !== 0, `the flags are 0x${flags.toString(16)}`);
    },
  },
  {
    id: 'flags.no-df-in-simple',
    title: 'NBD_FLAG_SEND_DF is clear without structured replies',
    source: flagsSource,
    level: 'MUST',
    run: async (client) => {
      expect(((await infoAfter(client)).flags & df) === 0, 'it is set');
    },
  },
  {
    id: 'flags.df',
    title: 'NBD_FLAG_SEND_DF is offered with structured replies',
    source: flagsSource,
    level: 'MAY',
    needs: [structured],
    run: async (client) =>
      ((await infoAfter(client, option.structuredReply)).flags & df) === 0 ? 'it is not' : undefined,
  },
  {
    id: 'flags.fast-zero',
    title: 'NBD_FLAG_SEND_FAST_ZERO is clear where NBD_FLAG_SEND_WRITE_ZEROES is',
    source: flagsSource,
    level: 'MUST',
    run: async (client) => {
      const { flags } = await infoAfter(client);
      expect((flags & writeZeroes) !== 0 || (flags & fastZero) === 0, 'it is set');
    },
  },
  {
    id: 'flags.no-payload-in-compact',
    title: 'NBD_FLAG_BLOCK_STATUS_PAYLOAD is clear without extended headers',
    source: 'extension-ext-header: Transmission flags',
    level: 'MUST',
    run: async (client, facts) => {
      expect(((await infoAfter(client)).flags & blockStatusPayload) === 0, 'it is set');
      if (!facts.styles.includes('structured')) return;
      const { flags } = await infoAfter(client, option.structuredReply);
      expect((flags & blockStatusPayload) === 0, 'it is set with structured replies');
    },
  },
  {
    id: 'flags.no-payload-without-context',
    title: 'NBD_FLAG_BLOCK_STATUS_PAYLOAD is clear in GO where no metadata context was selected',
    source: 'extension-ext-header: Transmission flags',
    level: 'SHOULD',
    needs: [extended],
    run: async (client) => {
      const session = await client.open({ style: 'extended' });
      expect((session.info.flags & blockStatusPayload) === 0, 'it is set');
    },
  },
  {
    id: 'flags.same-in-all-styles',
    title: 'The flags that do not belong to a style are the same in all',
    source: flagsSource,
    level: 'SHOULD',
    needs: [structured],
    run: async (client, facts) => {
      const own = df | blockStatusPayload;
      const simple = (await infoAfter(client)).flags & ~own;
      const richer = (await infoAfter(client, option.structuredReply)).flags & ~own;
      expect(simple === richer, `they are 0x${simple.toString(16)}, and 0x${richer.toString(16)} with structured ones`);
      if (!facts.styles.includes('extended')) return;
      const richest = (await infoAfter(client, option.extendedHeaders)).flags & ~own;
      expect(simple === richest, `they are 0x${simple.toString(16)}, and 0x${richest.toString(16)} with extended ones`);
    },
  },
  {
    id: 'flags.data-safety',
    title: 'A writable export offers FLUSH and FUA',
    source: 'Maximum interoperability',
    level: 'SHOULD',
    needs: [({ flags }) => ((flags & transmissionFlag.readOnly) === 0 ? undefined : 'the export is read-only')],
    run: async (client) => {
      const { flags } = await infoAfter(client);
      expect((flags & flush) !== 0, 'NBD_FLAG_SEND_FLUSH is clear');
      expect((flags & fua) !== 0, 'NBD_FLAG_SEND_FUA is clear');
    },
  },
];

const sizeChecks: readonly Check[] = [
  {
    id: 'block-size.minimum',
    title: 'The minimum block size is a power of two and at most 64 KiB',
    source: sizesSource,
    level: 'MUST',
    needs: [blockSize],
    run: async (_, { info: { blockSize: sizes } }) => {
      const { minimum } = sizes!;
      expect(isPowerOfTwo(minimum) && minimum <= 2 ** 16, `it is ${formatBytes(minimum)}`);
    },
  },
  {
    id: 'block-size.preferred',
    title: 'The preferred block size is a power of two, at least 512 and at least the minimum',
    source: sizesSource,
    level: 'MUST',
    needs: [blockSize],
    run: async (_, { info: { blockSize: sizes } }) => {
      const { minimum, preferred } = sizes!;
      expect(isPowerOfTwo(preferred) && preferred >= Math.max(512, minimum), `it is ${formatBytes(preferred)}`);
    },
  },
  {
    id: 'block-size.maximum',
    title: 'The maximum payload is at least the preferred block size',
    source: sizesSource,
    level: 'MUST',
    needs: [blockSize],
    run: async (_, { info: { blockSize: sizes } }) => {
      const { preferred, maximum } = sizes!;
      expect(maximum >= preferred, `it is ${formatBytes(maximum)}, and the preferred size ${formatBytes(preferred)}`);
    },
  },
  {
    id: 'block-size.maximum-enough',
    title: 'The maximum payload is at least 1 MiB, or the size of the export',
    source: sizesSource,
    level: 'SHOULD',
    needs: [blockSize],
    run: async (_, { info: { blockSize: sizes }, size }) => {
      expect(sizes!.maximum >= Math.min(2 ** 20, size), `it is ${formatBytes(sizes!.maximum)}`);
    },
  },
  {
    id: 'block-size.divides-size',
    title: 'The size of the export is a multiple of the minimum block size',
    source: sizesSource,
    level: 'SHOULD',
    needs: [blockSize],
    run: async (_, { info: { blockSize: sizes }, size }) => {
      const rest = size % sizes!.minimum;
      expect(rest === 0, `the last ${formatBytes(rest)} of ${formatBytes(size)} cannot be reached`);
    },
  },
  {
    id: 'block-size.asked-for',
    title: 'A client that asks for block sizes is not refused by NBD_REP_ERR_BLOCK_SIZE_REQD',
    source: 'Option types',
    level: 'MUST',
    run: async (client) => {
      const negotiation = await client.negotiate();
      for (const number of [option.info, option.go]) {
        const { final } = await negotiation.ask(number, client.infoData([info.blockSize]));
        expect(final.type !== optionReply.errorBlockSizeRequired, 'it is');
      }
    },
  },
  {
    id: 'block-size.not-asked-for',
    title: 'A client that does not ask for block sizes is served',
    source: sizesSource,
    level: 'SHOULD',
    run: async (client) => {
      const negotiation = await client.negotiate();
      const { final } = await negotiation.ask(option.go, client.infoData([]));
      expect(!isErrorReply(final.type), `it is refused by ${nameOfOptionReply(final.type)}`);
    },
  },
];

export const sizeAndFlagChecks: readonly Check[] = [...flagChecks, ...sizeChecks];
