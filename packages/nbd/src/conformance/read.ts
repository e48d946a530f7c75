import type { Check } from './check.ts';
import {
  command,
  commandFlag,
  defaultMaximumPayload,
  errno,
  isKnownErrno,
  nameOfCommand,
  transmissionFlag,
} from './constants.ts';
import type { Facts } from './facts.ts';
import { formatBytes } from './format.ts';
import { chunked, fine } from './needs.ts';
import { expect } from './outcome.ts';
import type { Content } from './reply.ts';
import { hasScratch, scratchLength, scratchOffset } from './scratch.ts';
import { describe } from './transmission.ts';

const { df } = commandFlag;
const source = 'Request types';
const offersDf = (flags: number): boolean => (flags & transmissionFlag.df) !== 0;

/** The most that one read of this export may ask for and that the suite wants to hold in memory. */
const largestRead = ({ size, maximumPayload, unit }: Facts): number => {
  const most = Math.min(size, maximumPayload, defaultMaximumPayload);
  return most - (most % unit);
};

const isEven = ({ offset, length }: Content): boolean => offset % 512n === 0n && length % 512n === 0n;

export const readChecks: readonly Check[] = [
  {
    id: 'read.first-and-last',
    title: 'The first and the last block can be read',
    source: 'Baseline',
    level: 'MUST',
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const last = facts.size - facts.unit - ((facts.size - facts.unit) % facts.unit);
        for (const offset of [0, last]) await session.read(offset, facts.unit);
      }),
  },
  {
    id: 'read.lengths',
    title: 'Reads of many lengths are answered in full',
    source,
    level: 'MUST',
    needs: [hasScratch],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        for (let length = facts.unit; length <= scratchLength; length *= 2) {
          const data = await session.read(scratchOffset, length);
          expect(data.length === length, `${data.length} of ${length} bytes came`);
        }
        await session.read(scratchOffset + facts.unit, 3 * facts.unit);
      }),
  },
  {
    id: 'read.same-in-all-styles',
    title: 'All styles of replies carry the same data',
    source,
    level: 'MUST',
    needs: [hasScratch, chunked],
    run: async (client, facts) => {
      const wanted = await (await client.open()).read(scratchOffset, scratchLength);
      await client.eachStyle(facts, async (session) => {
        expect((await session.read(scratchOffset, scratchLength)).equals(wanted), 'the data differs');
      });
    },
  },
  {
    id: 'read.maximum-payload',
    title: 'A read of the maximum payload, 32 MiB where none is told, is answered in full',
    source: 'Size constraints',
    level: 'SHOULD',
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        await session.read(0, largestRead(facts));
      }),
  },
  {
    id: 'read.over-maximum',
    title: 'A read of more than the maximum payload, and not more than 32 MiB, does not end the connection',
    source: 'Size constraints',
    level: 'SHOULD',
    needs: [
      ({ maximumPayload, unit }) =>
        maximumPayload + unit <= defaultMaximumPayload
          ? undefined
          : `the maximum payload is ${formatBytes(maximumPayload)}`,
    ],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const length = facts.maximumPayload - (facts.maximumPayload % facts.unit) + facts.unit;
        await session.call({ type: command.read, length });
        await session.ping();
      }),
  },
  {
    id: 'read.enormous',
    title: 'A read of nearly 4 GiB across the end is not carried out',
    source: 'Size constraints',
    level: 'MUST',
    needs: [({ size }) => (size < 2 ** 32 - 2 ** 16 ? undefined : `the export has ${formatBytes(size)}`)],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        await session.reject({ type: command.read, length: 2 ** 32 - 2 ** 16 });
      }),
  },
  {
    id: 'read.any-byte',
    title: 'Any offset and length can be read where the minimum block size is one byte or none is told',
    source: 'Size constraints',
    level: 'SHOULD',
    needs: [fine, hasScratch],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const whole = await session.read(scratchOffset, 8192);
        for (const [at, length] of [
          [0, 1],
          [1, 1],
          [511, 2],
          [4095, 3],
          [1, 8191],
        ] as const) {
          const part = await session.read(scratchOffset + at, length);
          expect(part.equals(whole.subarray(at, at + length)), `bytes ${at} to ${at + length} differ`);
        }
        await session.read(facts.size - 1, 1);
      }),
  },
  {
    id: 'read.error-then-next',
    title: 'After a refused read the next request is served',
    source,
    level: 'SHOULD',
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        for (let round = 0; round < 10; round++) {
          const reply = await session.call({ type: command.read, offset: facts.size, length: facts.unit });
          expect(reply.error !== 0, 'a read beyond the end succeeded');
        }
        await session.ping();
      }),
  },
  {
    id: 'read.df',
    title: 'With DF a read of 64 KiB has one chunk of contents',
    source: 'Command flags',
    level: 'MUST',
    needs: [chunked, hasScratch],
    run: (client, facts) =>
      client.eachStyle(
        facts,
        async (session) => {
          if (!offersDf(session.info.flags)) return;
          for (const length of [facts.unit, 2 ** 16]) await session.read(scratchOffset, length, df);
        },
        { except: 'simple' },
      ),
  },
  {
    id: 'read.df-large',
    title: 'With DF a large read has one chunk of contents, or is refused by NBD_EOVERFLOW',
    source,
    level: 'MUST',
    needs: [chunked],
    run: (client, facts) =>
      client.eachStyle(
        facts,
        async (session) => {
          if (!offersDf(session.info.flags)) return;
          const reply = await session.call({ type: command.read, length: largestRead(facts), flags: df });
          expect(reply.error === 0 || reply.error === errno.overflow, `it failed with ${describe(reply)}`);
          expect(reply.error === 0 || reply.contents.length === 0, 'contents came with the error');
        },
        { except: 'simple' },
      ),
  },
  {
    id: 'read.df-not-offered',
    title: 'DF, where it is not offered, is refused by NBD_EINVAL',
    source: 'Error values',
    level: 'SHOULD',
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        if (offersDf(session.info.flags)) return;
        await session.refuse({ type: command.read, length: facts.unit, flags: df }, errno.invalid);
      }),
  },
  {
    id: 'read.chunk-lengths',
    title: 'Chunks of contents have offsets and lengths that are multiples of 512',
    source,
    level: 'SHOULD',
    needs: [chunked, hasScratch],
    run: (client, facts) =>
      client.eachStyle(
        facts,
        async (session) => {
          const reply = await session.succeed({ type: command.read, length: scratchOffset + scratchLength });
          const odd = reply.contents.find((content) => !isEven(content));
          expect(odd === undefined, `one is at ${odd?.offset}+${odd?.length}`);
        },
        { except: 'simple' },
      ),
  },
  {
    id: 'read.error-values',
    title: 'Errors are values of the document',
    source: 'Error values',
    level: 'MUST',
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const cases = [
          { type: command.read, offset: facts.size, length: facts.unit },
          { type: command.read, length: facts.unit, flags: 0x8000 },
          { type: 0x6fff },
        ];
        for (const request of cases) {
          const { error } = await session.call(request);
          expect(error !== 0 && isKnownErrno(error), `${nameOfCommand(request.type)} was answered by error ${error}`);
        }
      }),
  },
];
