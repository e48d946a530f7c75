import { pattern } from './bytes.ts';
import type { Check, Need } from './check.ts';
import type { Client } from './client.ts';
import { command, commandFlag, errno } from './constants.ts';
import type { Facts } from './facts.ts';
import { advertises, allocation, coarse, lacks, writable } from './needs.ts';
import { expect, within } from './outcome.ts';
import { hasScratch, scratchOffset } from './scratch.ts';
import type { Request, Transmission } from './transmission.ts';

/** What the checks below need to know about a command that works on a range of the export. */
type RangeCommand = {
  /** The area of its checks' ids. */
  readonly area: string;
  readonly name: string;
  readonly type: number;
  readonly hasPayload: boolean;
  readonly writes: boolean;
  readonly needs: readonly Need[];
  /** Flags that the document lets it have in all cases, FUA apart. */
  readonly ownFlags: number;
  /** What it should fail with beyond the end of the export. */
  readonly beyondEnd: readonly number[];
  readonly contexts?: readonly string[];
};

const rangeCommands: readonly RangeCommand[] = [
  {
    area: 'read',
    name: 'NBD_CMD_READ',
    type: command.read,
    hasPayload: false,
    writes: false,
    needs: [],
    ownFlags: commandFlag.df,
    beyondEnd: [errno.invalid],
  },
  {
    area: 'write',
    name: 'NBD_CMD_WRITE',
    type: command.write,
    hasPayload: true,
    writes: true,
    needs: [writable],
    ownFlags: 0,
    beyondEnd: [errno.noSpace, errno.invalid],
  },
  {
    area: 'trim',
    name: 'NBD_CMD_TRIM',
    type: command.trim,
    hasPayload: false,
    writes: true,
    needs: [writable, advertises('trim')],
    ownFlags: 0,
    beyondEnd: [errno.invalid],
  },
  {
    area: 'zero',
    name: 'NBD_CMD_WRITE_ZEROES',
    type: command.writeZeroes,
    hasPayload: false,
    writes: true,
    needs: [writable, advertises('writeZeroes')],
    ownFlags: commandFlag.noHole | commandFlag.fastZero,
    beyondEnd: [errno.noSpace, errno.invalid],
  },
  {
    area: 'cache',
    name: 'NBD_CMD_CACHE',
    type: command.cache,
    hasPayload: false,
    writes: false,
    needs: [advertises('cache')],
    ownFlags: 0,
    beyondEnd: [errno.invalid],
  },
  {
    area: 'status',
    name: 'NBD_CMD_BLOCK_STATUS',
    type: command.blockStatus,
    hasPayload: false,
    writes: false,
    needs: [allocation],
    ownFlags: commandFlag.reqOne,
    beyondEnd: [errno.invalid],
    contexts: ['base:allocation'],
  },
];

const documentedFlags = [
  { name: 'NO_HOLE', bit: commandFlag.noHole },
  { name: 'DF', bit: commandFlag.df },
  { name: 'REQ_ONE', bit: commandFlag.reqOne },
  { name: 'FAST_ZERO', bit: commandFlag.fastZero },
] as const;

const unknownFlags = [0x40, 0x80, 0x1000, 0x8000];

/** A request of this command: zeroes where it has a payload. */
const request = (of: RangeCommand, offset: number | bigint, length: number, flags = 0): Request => ({
  type: of.type,
  flags,
  offset,
  ...(of.hasPayload ? { payload: pattern(length, 77) } : { length }),
});

/** Runs `work` in each style in which the command exists. */
const eachStyle = (
  client: Client,
  facts: Facts,
  of: RangeCommand,
  work: (session: Transmission) => Promise<void>,
): Promise<void> =>
  client.eachStyle(facts, work, of.contexts === undefined ? {} : { contexts: of.contexts, except: 'simple' });

/** Whether data at the place that a refused request named is still what it was. */
async function unchanged(session: Transmission, of: RangeCommand, length: number, work: () => Promise<void>) {
  if (!of.writes) return work();
  const before = await session.read(scratchOffset, length);
  await work();
  expect((await session.read(scratchOffset, length)).equals(before), 'the refused request changed the export');
}

const common = (of: RangeCommand) => ({ ...(of.writes ? { writes: true } : {}), needs: [...of.needs, hasScratch] });

const rangeChecks = (of: RangeCommand): readonly Check[] => [
  {
    id: `${of.area}.beyond-end`,
    title: `${of.name} beyond the end is refused by ${of.beyondEnd.includes(errno.noSpace) ? 'NBD_ENOSPC' : 'NBD_EINVAL'}`,
    source: 'Error values',
    level: 'SHOULD',
    ...common(of),
    run: (client, facts) =>
      eachStyle(client, facts, of, async (session) => {
        const { size, unit } = facts;
        const cases: readonly (readonly [string, number | bigint, number])[] = [
          ['right after the end', size, unit],
          ['across the end', size - unit, 2 * unit],
          ['far beyond the end', 2n ** 62n, unit],
          ['across 2^64', 2n ** 64n - BigInt(unit), 2 * unit],
        ];
        for (const [where, offset, length] of cases) {
          await within(where, () => session.refuse(request(of, offset, length), ...of.beyondEnd));
        }
      }),
  },
  {
    id: `${of.area}.unaligned`,
    title: `${of.name} that is not aligned to the minimum block size is refused by NBD_EINVAL`,
    source: 'Size constraints',
    level: 'SHOULD',
    ...common(of),
    needs: [...of.needs, hasScratch, coarse],
    run: (client, facts) =>
      eachStyle(client, facts, of, async (session) => {
        const minimum = facts.info.blockSize!.minimum;
        const half = minimum / 2;
        await unchanged(session, of, 2 * minimum, async () => {
          const refuse = (offset: number, length: number) => session.refuse(request(of, offset, length), errno.invalid);
          await within('the offset', () => refuse(scratchOffset + half, minimum));
          await within('the length', () => refuse(scratchOffset, half));
          await within('both', () => refuse(scratchOffset + 1, minimum - 1));
        });
      }),
  },
  ...(of.area === 'cache' ? [] : [zeroLength(of)]),
];

const zeroLength = (of: RangeCommand): Check => ({
  id: `${of.area}.zero-length`,
  title: `${of.name} of no bytes does not end the connection`,
  source: 'Request types',
  level: 'SHOULD',
  ...common(of),
  run: async (client, facts) => {
    const answers = new Set<string>();
    await eachStyle(client, facts, of, async (session) => {
      // With extended headers PAYLOAD_LEN has no payload to announce.
      const { error } = await session.call({ type: of.type, offset: scratchOffset, length: 0 });
      answers.add(error === 0 ? 'it succeeds' : `it fails with error ${error}`);
      await session.ping();
    });
    return [...answers].join(', ');
  },
});

const flagChecks = (of: RangeCommand): readonly Check[] => [
  {
    id: `${of.area}.unknown-flag`,
    title: `${of.name} with an unknown flag is refused by NBD_EINVAL`,
    source: 'Error values',
    level: 'SHOULD',
    ...common(of),
    run: (client, facts) =>
      eachStyle(client, facts, of, (session) =>
        unchanged(session, of, facts.unit, async () => {
          const flags = session.style === 'extended' ? unknownFlags : [commandFlag.payloadLength, ...unknownFlags];
          for (const flag of flags) {
            const sent = request(of, scratchOffset, facts.unit, flag);
            await within(`flag 0x${flag.toString(16)}`, () => session.refuse(sent, errno.invalid));
          }
        }),
      ),
  },
  {
    id: `${of.area}.other-flag`,
    title: `${of.name} with a flag of another command is refused by NBD_EINVAL`,
    source: 'Error values',
    level: 'SHOULD',
    ...common(of),
    run: (client, facts) =>
      eachStyle(client, facts, of, (session) =>
        unchanged(session, of, facts.unit, async () => {
          for (const { name, bit } of documentedFlags.filter((flag) => (flag.bit & of.ownFlags) === 0)) {
            const sent = request(of, scratchOffset, facts.unit, bit);
            await within(`NBD_CMD_FLAG_${name}`, () => session.refuse(sent, errno.invalid));
          }
        }),
      ),
  },
  {
    id: `${of.area}.fua`,
    title: `${of.name} takes NBD_CMD_FLAG_FUA`,
    source: 'Command flags',
    level: 'MUST',
    ...common(of),
    needs: [...of.needs, hasScratch, advertises('fua')],
    run: (client, facts) =>
      eachStyle(client, facts, of, async (session) => {
        await session.succeed(request(of, scratchOffset, facts.unit, commandFlag.fua));
      }),
  },
  {
    id: `${of.area}.fua-not-offered`,
    title: `${of.name} with NBD_CMD_FLAG_FUA, which is not offered, is refused by NBD_EINVAL`,
    source: 'Error values',
    level: 'SHOULD',
    ...common(of),
    needs: [...of.needs, hasScratch, lacks('fua')],
    run: (client, facts) =>
      eachStyle(client, facts, of, async (session) => {
        await session.refuse(request(of, scratchOffset, facts.unit, commandFlag.fua), errno.invalid);
      }),
  },
];

/** What all commands on a range have in common: limits and flags. */
export const rangeCommandChecks: readonly Check[] = rangeCommands.flatMap((of) => [
  ...rangeChecks(of),
  ...flagChecks(of),
]);
