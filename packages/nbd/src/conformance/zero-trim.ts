import { isZero, pattern } from './bytes.ts';
import type { Check } from './check.ts';
import { command, commandFlag, errno, nameOfErrno, state } from './constants.ts';
import type { Facts } from './facts.ts';
import { advertises, allocation, lacks, writable } from './needs.ts';
import { expect } from './outcome.ts';
import { hasScratch, scratchLength, scratchOffset } from './scratch.ts';
import { describe, type Transmission } from './transmission.ts';

const source = 'Request types';
const { fastZero, fua, noHole } = commandFlag;
const zeroNeeds = [writable, hasScratch, advertises('writeZeroes')];
const trimNeeds = [writable, hasScratch, advertises('trim')];

/** Fills the scratch area, lets `work` zero or trim all but its first and last block, and checks that those stay. */
async function insideScratch(
  session: Transmission,
  { unit }: Facts,
  work: (offset: number, length: number) => Promise<void>,
): Promise<Buffer> {
  const before = pattern(scratchLength, 111);
  await session.write(scratchOffset, before);
  await work(scratchOffset + unit, scratchLength - 2 * unit);
  const after = await session.read(scratchOffset, scratchLength);
  expect(after.subarray(0, unit).equals(before.subarray(0, unit)), 'the block before it changed');
  expect(after.subarray(-unit).equals(before.subarray(-unit)), 'the block after it changed');
  return after.subarray(unit, -unit);
}

/** The longest length of a request that a 32-bit field holds and the export has. */
const longest = ({ size, unit }: Facts): number => {
  const most = Math.min(size, 2 ** 32 - 2 ** 16);
  return most - (most % unit);
};

const largerThanPayload = ({ size, maximumPayload }: Facts): string | undefined =>
  size > maximumPayload ? undefined : 'the export is not larger than the maximum payload';

async function expectLargeAnswer(session: Transmission, type: number, length: number): Promise<number> {
  const reply = await session.call({ type, length });
  const allowed = [0, errno.overflow, errno.invalid];
  expect(allowed.includes(reply.error), `it failed with ${describe(reply)}`);
  await session.ping();
  return reply.error;
}

const zeroChecks: readonly Check[] = [
  {
    id: 'zero.read-back',
    title: 'What was zeroed reads as zeroes, and its neighbours stay',
    source,
    level: 'MUST',
    writes: true,
    needs: zeroNeeds,
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const data = await insideScratch(session, facts, async (offset, length) => {
          await session.succeed({ type: command.writeZeroes, offset, length });
        });
        expect(isZero(data), 'it does not read as zeroes');
      }),
  },
  {
    id: 'zero.no-hole',
    title: 'NBD_CMD_FLAG_NO_HOLE is taken, and what was zeroed reads as zeroes',
    source: 'Command flags',
    level: 'MUST',
    writes: true,
    needs: zeroNeeds,
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const data = await insideScratch(session, facts, async (offset, length) => {
          await session.succeed({ type: command.writeZeroes, offset, length, flags: noHole });
        });
        expect(isZero(data), 'it does not read as zeroes');
      }),
  },
  {
    id: 'zero.no-hole-status',
    title: 'What was zeroed with NO_HOLE is not reported as a hole',
    source,
    level: 'MAY',
    writes: true,
    needs: [...zeroNeeds, allocation],
    run: async (client, facts) => {
      let found = 0;
      await client.eachStyle(
        facts,
        async (session) => {
          await insideScratch(session, facts, async (offset, length) => {
            await session.succeed({ type: command.writeZeroes, offset, length, flags: noHole });
          });
          const status = { type: command.blockStatus, offset: scratchOffset, length: scratchLength };
          const [extents] = (await session.succeed(status)).statuses.values();
          const holes = extents!.filter((extent) => (Number(extent.status) & state.hole) !== 0);
          found += holes.length;
        },
        { contexts: ['base:allocation'], except: 'simple' },
      );
      return found === 0 ? undefined : 'it is, though that need not mean that no room was taken for it';
    },
  },
  {
    id: 'zero.fast',
    title: 'NBD_CMD_FLAG_FAST_ZERO zeroes, or fails with NBD_ENOTSUP',
    source,
    level: 'MUST',
    writes: true,
    needs: [...zeroNeeds, advertises('fastZero')],
    run: async (client, facts) => {
      const answers = new Set<string>();
      await client.eachStyle(facts, async (session) => {
        for (const flags of [fastZero, fastZero | noHole]) {
          let error = 0;
          const data = await insideScratch(session, facts, async (offset, length) => {
            ({ error } = await session.call({ type: command.writeZeroes, offset, length, flags }));
          });
          expect(error === 0 || error === errno.notSupported, `it failed with ${nameOfErrno(error)}`);
          expect(error !== 0 || isZero(data), 'it succeeded and does not read as zeroes');
          answers.add(`${flags === fastZero ? 'plain' : 'with NO_HOLE'}: ${nameOfErrno(error)}`);
        }
      });
      return [...answers].join(', ');
    },
  },
  {
    id: 'zero.fast-unchanged',
    title: 'A fast zero that fails with NBD_ENOTSUP leaves the data as it is',
    source,
    level: 'SHOULD',
    writes: true,
    needs: [...zeroNeeds, advertises('fastZero')],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        let error = 0;
        const data = await insideScratch(session, facts, async (offset, length) => {
          ({ error } = await session.call({ type: command.writeZeroes, offset, length, flags: fastZero | noHole }));
        });
        const before = pattern(scratchLength, 111).subarray(facts.unit, -facts.unit);
        expect(error === 0 || data.equals(before), 'the data changed');
      }),
  },
  {
    id: 'zero.slow-enough',
    title: 'Without FAST_ZERO the server does not fail with NBD_ENOTSUP',
    source,
    level: 'MUST',
    writes: true,
    needs: [...zeroNeeds, advertises('fastZero')],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        for (const flags of [0, noHole]) {
          const request = { type: command.writeZeroes, offset: scratchOffset, length: scratchLength, flags };
          const reply = await session.call(request);
          expect(reply.error !== errno.notSupported, `flags ${flags}: ${describe(reply)}`);
        }
      }),
  },
  {
    id: 'zero.fast-not-offered',
    title: 'FAST_ZERO, where it is not offered, is refused by NBD_EINVAL',
    source,
    level: 'SHOULD',
    writes: true,
    needs: [...zeroNeeds, lacks('fastZero')],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const request = { type: command.writeZeroes, offset: scratchOffset, length: facts.unit, flags: fastZero };
        await session.refuse(request, errno.invalid);
      }),
  },
  {
    id: 'zero.fua-read-back',
    title: 'What was zeroed with FUA reads as zeroes',
    source: 'Command flags',
    level: 'MUST',
    writes: true,
    needs: [...zeroNeeds, advertises('fua')],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const data = await insideScratch(session, facts, async (offset, length) => {
          await session.succeed({ type: command.writeZeroes, offset, length, flags: fua });
        });
        expect(isZero(data), 'it does not read as zeroes');
      }),
  },
  {
    id: 'zero.larger-than-payload',
    title: 'Zeroing more than the maximum payload works, or fails with NBD_EOVERFLOW or NBD_EINVAL',
    source: 'Size constraints',
    level: 'SHOULD',
    writes: true,
    needs: [...zeroNeeds, largerThanPayload],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        await session.write(scratchOffset, pattern(scratchLength, 112));
        const error = await expectLargeAnswer(session, command.writeZeroes, longest(facts));
        const data = await session.read(scratchOffset, scratchLength);
        expect(error !== 0 || isZero(data), 'it succeeded and does not read as zeroes');
      }),
  },
  {
    id: 'zero.fast-no-overflow',
    title: 'A fast zero of any length does not fail with NBD_EOVERFLOW',
    source,
    level: 'SHOULD',
    writes: true,
    needs: [...zeroNeeds, advertises('fastZero'), largerThanPayload],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const reply = await session.call({ type: command.writeZeroes, length: longest(facts), flags: fastZero });
        expect(reply.error !== errno.overflow, `it failed with ${describe(reply)}`);
      }),
  },
];

const trimChecks: readonly Check[] = [
  {
    id: 'trim.neighbours',
    title: 'NBD_CMD_TRIM succeeds, and its neighbours stay',
    source,
    level: 'MUST',
    writes: true,
    needs: trimNeeds,
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        await insideScratch(session, facts, async (offset, length) => {
          await session.succeed({ type: command.trim, offset, length });
        });
      }),
  },
  {
    id: 'trim.then-write',
    title: 'What is written after a trim is read back',
    source,
    level: 'MUST',
    writes: true,
    needs: trimNeeds,
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        await session.succeed({ type: command.trim, offset: scratchOffset, length: scratchLength });
        const data = pattern(4 * facts.unit, 121);
        await session.write(scratchOffset + facts.unit, data);
        expect((await session.read(scratchOffset + facts.unit, data.length)).equals(data), 'what is read back differs');
      }),
  },
  {
    id: 'trim.larger-than-payload',
    title: 'Trimming more than the maximum payload works, or fails with NBD_EOVERFLOW or NBD_EINVAL',
    source: 'Size constraints',
    level: 'SHOULD',
    writes: true,
    needs: [...trimNeeds, largerThanPayload],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        await expectLargeAnswer(session, command.trim, longest(facts));
      }),
  },
];

const cacheChecks: readonly Check[] = [
  {
    id: 'cache.data-stays',
    title: 'NBD_CMD_CACHE has no effect on what is read and written',
    source,
    level: 'MUST',
    writes: true,
    needs: [writable, hasScratch, advertises('cache')],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const data = pattern(scratchLength, 131);
        await session.write(scratchOffset, data);
        await session.call({ type: command.cache, offset: scratchOffset, length: scratchLength });
        expect((await session.read(scratchOffset, scratchLength)).equals(data), 'what is read back differs');
        const next = pattern(scratchLength, 132);
        await session.write(scratchOffset, next);
        expect((await session.read(scratchOffset, scratchLength)).equals(next), 'an older state is read back');
      }),
  },
  {
    id: 'cache.answered',
    title: 'NBD_CMD_CACHE is answered without data, and requests go on',
    source,
    level: 'MUST',
    needs: [advertises('cache')],
    run: async (client, facts) => {
      const answers = new Set<string>();
      await client.eachStyle(facts, async (session) => {
        const reply = await session.call({ type: command.cache, length: longest(facts) });
        answers.add(nameOfErrno(reply.error));
        await session.ping();
      });
      return [...answers].join() === 'success' ? undefined : [...answers].join(', ');
    },
  },
  {
    id: 'cache.not-offered',
    title: 'NBD_CMD_CACHE, where it is not offered, does not end the connection',
    source,
    level: 'MAY',
    needs: [lacks('cache')],
    run: async (client, facts) => {
      const session = await client.open({ style: facts.bestStyle });
      const reply = await session.call({ type: command.cache, length: facts.unit });
      await session.ping();
      return `it is answered by ${nameOfErrno(reply.error)}`;
    },
  },
];

export const zeroTrimCacheChecks: readonly Check[] = [...zeroChecks, ...trimChecks, ...cacheChecks];
