import { isZero, pattern } from './bytes.ts';
import type { Check } from './check.ts';
import type { Client } from './client.ts';
import { command, commandFlag, errno, nameOfErrno, state } from './constants.ts';
import type { Facts } from './facts.ts';
import { formatBytes } from './format.ts';
import { advertises, allocation, chunked, contexts, writable } from './needs.ts';
import { expect } from './outcome.ts';
import type { Extent } from './reply.ts';
import { hasScratch, scratchLength, scratchOffset } from './scratch.ts';
import type { Transmission } from './transmission.ts';

const source = 'Request types';
const base = 'base:allocation';
const { blockStatus } = command;
/** So many requests are enough to see how a server walks through an export. */
const maximumRequests = 256;

const sum = (extents: readonly Extent[]): number => extents.reduce((total, { length }) => total + length, 0);
const has = (extent: Extent, flag: number): boolean => (Number(extent.status & 0xffn) & flag) !== 0;

async function statusOf(session: Transmission, offset: number, length: number, flags = 0): Promise<readonly Extent[]> {
  const reply = await session.succeed({ type: blockStatus, offset, length, flags });
  const [extents] = reply.statuses.values();
  return extents!;
}

/** Runs `work` with base:allocation selected, in each style that has it. */
const eachAllocation = (client: Client, facts: Facts, work: (session: Transmission) => Promise<void>): Promise<void> =>
  client.eachStyle(facts, work, { contexts: [base], except: 'simple' });

/** The longest length of a request that the export and 32 bits hold. */
const longest = ({ size, unit }: Facts): number => {
  const most = Math.min(size, 2 ** 32 - 2 ** 16);
  return most - (most % unit);
};

/** Extents from the start on, request after request, to the end or to the limit of requests. */
async function walk(session: Transmission, facts: Facts): Promise<{ offset: number; extents: readonly Extent[] }[]> {
  const steps: { offset: number; extents: readonly Extent[] }[] = [];
  for (let offset = 0; offset < facts.size && steps.length < maximumRequests;) {
    const rest = facts.size - offset;
    const extents = await statusOf(session, offset, Math.min(rest - (rest % facts.unit), 2 ** 30) || rest);
    expect(sum(extents) <= rest, `${formatBytes(sum(extents))} are reported at ${offset}, beyond the end`);
    steps.push({ offset, extents });
    offset += sum(extents);
  }
  return steps;
}

const replyChecks: readonly Check[] = [
  {
    id: 'status.answered',
    title: 'NBD_CMD_BLOCK_STATUS gets one chunk for each selected context',
    source,
    level: 'MUST',
    needs: [allocation],
    run: (client, facts) =>
      eachAllocation(client, facts, async (session) => {
        for (const length of [facts.unit, 64 * facts.unit, longest(facts)]) await statusOf(session, 0, length);
      }),
  },
  {
    id: 'status.all-contexts',
    title: 'With all contexts selected there is one chunk for each',
    source,
    level: 'MUST',
    needs: [contexts],
    run: (client, facts) =>
      client.eachStyle(
        facts,
        async (session) => {
          await session.succeed({ type: blockStatus, length: longest(facts) });
        },
        { contexts: facts.contexts, except: 'simple' },
      ),
  },
  {
    id: 'status.req-one',
    title: 'With REQ_ONE there is one extent, no longer than the request',
    source: 'Command flags',
    level: 'MUST',
    needs: [allocation],
    run: (client, facts) =>
      eachAllocation(client, facts, async (session) => {
        for (const length of [facts.unit, 64 * facts.unit, longest(facts)]) {
          await statusOf(session, 0, length, commandFlag.reqOne);
          await statusOf(session, facts.unit, length - facts.unit || facts.unit, commandFlag.reqOne);
        }
      }),
  },
  {
    id: 'status.walk',
    title: 'Request after request leads through the whole export and not beyond its end',
    source,
    level: 'MUST',
    needs: [allocation],
    run: (client, facts) =>
      eachAllocation(client, facts, async (session) => {
        await walk(session, facts);
      }),
  },
  {
    id: 'status.extent-lengths',
    title: 'Extents are multiples of 512 bytes and of the minimum block size, but at the end',
    source,
    level: 'SHOULD',
    needs: [allocation],
    run: (client, facts) =>
      eachAllocation(client, facts, async (session) => {
        for (const { offset, extents } of await walk(session, facts)) {
          const atEnd = offset + sum(extents) === facts.size;
          const odd = extents.slice(0, atEnd ? -1 : undefined).find(({ length }) => length % facts.unit !== 0);
          expect(odd === undefined, `one has ${odd?.length} bytes`);
        }
      }),
  },
  {
    id: 'status.merged',
    title: 'Extents that follow each other differ in status',
    source,
    level: 'SHOULD',
    needs: [allocation],
    run: (client, facts) =>
      eachAllocation(client, facts, async (session) => {
        for (const { extents } of await walk(session, facts)) {
          const same = extents.findIndex((extent, index) => extent.status === extents[index + 1]?.status);
          expect(same < 0, `extents ${same} and ${same + 1} of ${extents.length} have the same status`);
        }
      }),
  },
  {
    id: 'status.not-too-many',
    title: 'No chunk has more than 2^20 extents',
    source: 'Structured reply types',
    level: 'SHOULD',
    needs: [allocation],
    run: (client, facts) =>
      eachAllocation(client, facts, async (session) => {
        const extents = await statusOf(session, 0, longest(facts));
        expect(extents.length <= 2 ** 20, `one has ${extents.length}`);
      }),
  },
  {
    id: 'status.reserved-flags',
    title: 'The reserved flags of base:allocation are zero',
    source: '`base:allocation` metadata context',
    level: 'SHOULD',
    needs: [allocation],
    run: (client, facts) =>
      eachAllocation(client, facts, async (session) => {
        const all = (await walk(session, facts)).flatMap(({ extents }) => extents);
        const odd = all.find(({ status }) => status > BigInt(state.hole | state.zero));
        expect(odd === undefined, `one extent has the status 0x${odd?.status.toString(16)}`);
      }),
  },
  {
    id: 'status.no-context',
    title: 'Without a selected context it is refused by NBD_EINVAL',
    source: 'Metadata querying',
    level: 'SHOULD',
    needs: [chunked],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        await session.refuse({ type: blockStatus, length: facts.unit }, errno.invalid);
      }),
  },
  {
    id: 'status.contexts-per-connection',
    title: 'Contexts belong to the connection that selected them',
    source: 'Metadata querying',
    level: 'MUST',
    needs: [allocation],
    run: (client, facts) =>
      eachAllocation(client, facts, async (session) => {
        const other = await client.open({ style: session.style });
        const reply = await other.call({ type: blockStatus, length: facts.unit });
        expect(reply.error !== 0, 'a connection that selected none was answered');
        await statusOf(session, 0, facts.unit);
      }),
  },
];

const contentChecks: readonly Check[] = [
  {
    id: 'status.zero-is-zero',
    title: 'What is reported as zero reads as zeroes',
    source: '`base:allocation` metadata context',
    level: 'MUST',
    needs: [allocation],
    run: (client, facts) =>
      eachAllocation(client, facts, async (session) => {
        let extentOffset = 0;
        for (const { offset, extents } of (await walk(session, facts)).slice(0, 8)) {
          extentOffset = offset;
          for (const extent of extents.slice(0, 64)) {
            const length = Math.min(extent.length, 2 ** 18);
            if (has(extent, state.zero) && length % facts.unit === 0) {
              const data = await session.read(extentOffset, length);
              expect(isZero(data), `the extent at ${extentOffset} does not`);
            }
            extentOffset += extent.length;
          }
        }
      }),
  },
  {
    id: 'status.written-is-not-zero',
    title: 'What was written is not reported as zero',
    source: '`base:allocation` metadata context',
    level: 'MUST',
    writes: true,
    needs: [allocation, writable, hasScratch],
    run: (client, facts) =>
      eachAllocation(client, facts, async (session) => {
        await session.write(scratchOffset, pattern(scratchLength, 141));
        let offset = 0;
        for (const extent of await statusOf(session, scratchOffset, scratchLength)) {
          if (offset < scratchLength) expect(!has(extent, state.zero), `the extent at ${offset} is`);
          offset += extent.length;
        }
      }),
  },
  {
    id: 'status.after-zero',
    title: 'What was zeroed is reported as zero',
    source,
    level: 'SHOULD',
    writes: true,
    needs: [allocation, writable, hasScratch, advertises('writeZeroes')],
    run: async (client, facts) => {
      const notes = new Set<string>();
      await eachAllocation(client, facts, async (session) => {
        await session.write(scratchOffset, pattern(scratchLength, 142));
        const range = { offset: scratchOffset, length: scratchLength };
        await session.succeed({ type: command.writeZeroes, ...range });
        const extents = await statusOf(session, range.offset, range.length);
        if (!has(extents[0]!, state.zero)) notes.add('the server reports data, which is always allowed');
      });
      return notes.size === 0 ? undefined : [...notes].join(', ');
    },
  },
  {
    id: 'status.sees-every-byte',
    title: 'A block that is written among zeroes is seen in the status',
    source: '`base:allocation` metadata context',
    level: 'MUST',
    writes: true,
    needs: [allocation, writable, hasScratch, advertises('writeZeroes')],
    run: (client, facts) =>
      eachAllocation(client, facts, async (session) => {
        const length = scratchLength;
        await session.succeed({ type: command.writeZeroes, offset: scratchOffset, length });
        const at = Math.floor(length / 2 / facts.unit) * facts.unit;
        await session.write(scratchOffset + at, pattern(facts.unit, 143));
        let offset = 0;
        for (const extent of await statusOf(session, scratchOffset, length)) {
          const covers = offset < at + facts.unit && at < offset + extent.length;
          expect(!covers || !has(extent, state.zero), 'the written block is reported as zero');
          offset += extent.length;
        }
      }),
  },
  {
    id: 'status.not-negotiated',
    title: 'With simple replies it is refused and the connection goes on',
    source: 'Metadata querying',
    level: 'SHOULD',
    run: async (client, facts) => {
      const session = await client.open();
      const reply = await session.call({ type: blockStatus, length: facts.unit });
      expect(reply.error === errno.invalid, `it was answered by ${nameOfErrno(reply.error)}`);
      await session.ping();
    },
  },
];

export const blockStatusChecks: readonly Check[] = [...replyChecks, ...contentChecks];
