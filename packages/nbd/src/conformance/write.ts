import { pattern } from './bytes.ts';
import type { Check } from './check.ts';
import { command, commandFlag, defaultMaximumPayload, errno, transmissionFlag } from './constants.ts';
import { formatBytes } from './format.ts';
import { advertises, chunked, fine, writable } from './needs.ts';
import { ConnectionEnded, expect } from './outcome.ts';
import { hasScratch, scratchLength, scratchOffset } from './scratch.ts';

const source = 'Request types';
const { df, fua } = commandFlag;
const needs = [writable, hasScratch];

export const writeChecks: readonly Check[] = [
  {
    id: 'write.read-back',
    title: 'What was written is read back',
    source: 'Baseline',
    level: 'MUST',
    writes: true,
    needs,
    run: async (client, facts) => {
      let seed = 1;
      await client.eachStyle(facts, async (session) => {
        for (let length = facts.unit; length <= scratchLength; length *= 4) {
          const data = pattern(length, seed++);
          await session.write(scratchOffset, data);
          expect((await session.read(scratchOffset, length)).equals(data), `${formatBytes(length)} differ`);
        }
      });
    },
  },
  {
    id: 'write.neighbours',
    title: 'A write leaves its neighbours as they are',
    source,
    level: 'MUST',
    writes: true,
    needs,
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const around = pattern(16 * facts.unit, 21);
        await session.write(scratchOffset, around);
        const inner = pattern(3 * facts.unit, 22);
        await session.write(scratchOffset + 5 * facts.unit, inner);
        inner.copy(around, 5 * facts.unit);
        expect((await session.read(scratchOffset, around.length)).equals(around), 'they differ');
      }),
  },
  {
    id: 'write.any-byte',
    title: 'Any offset and length can be written where the minimum block size is one byte or none is told',
    source: 'Size constraints',
    level: 'SHOULD',
    writes: true,
    needs: [...needs, fine],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const whole = pattern(16384, 31);
        await session.write(scratchOffset, whole);
        for (const [at, length] of [
          [1, 1],
          [510, 5],
          [4095, 4099],
          [8193, 8191],
        ] as const) {
          const part = pattern(length, 32 + at);
          await session.write(scratchOffset + at, part);
          part.copy(whole, at);
        }
        expect((await session.read(scratchOffset, whole.length)).equals(whole), 'what is read back differs');
      }),
  },
  {
    id: 'write.last-block',
    title: 'The last block can be written',
    source,
    level: 'MUST',
    writes: true,
    needs: [writable],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const offset = facts.size - facts.unit - ((facts.size - facts.unit) % facts.unit);
        const data = pattern(facts.unit, 41);
        await session.write(offset, data);
        expect((await session.read(offset, facts.unit)).equals(data), 'what is read back differs');
      }),
  },
  {
    id: 'write.maximum-payload',
    title: 'A write of the maximum payload, 32 MiB where none is told, is carried out',
    source: 'Size constraints',
    level: 'SHOULD',
    writes: true,
    needs: [writable],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const most = Math.min(facts.size, facts.maximumPayload, defaultMaximumPayload);
        const data = pattern(most - (most % facts.unit), 51);
        await session.write(0, data);
        expect((await session.read(0, data.length)).equals(data), 'what is read back differs');
      }),
  },
  {
    id: 'write.over-maximum',
    title: 'A write of more than the maximum payload, and not more than 32 MiB, does not end the connection',
    source: 'Size constraints',
    level: 'SHOULD',
    writes: true,
    needs: [
      writable,
      ({ maximumPayload, unit }) =>
        maximumPayload + unit <= defaultMaximumPayload
          ? undefined
          : `the maximum payload is ${formatBytes(maximumPayload)}`,
    ],
    run: (client, facts) =>
      client.eachStyle(
        facts,
        async (session) => {
          const payload = pattern(facts.maximumPayload - (facts.maximumPayload % facts.unit) + facts.unit, 52);
          await session.call({ type: command.write, payload });
          await session.ping();
        },
        // The extension has the server disconnect.
        { except: 'extended' },
      ),
  },
  {
    id: 'write.no-overflow',
    title: 'A write of more than the maximum payload is not refused by NBD_EOVERFLOW',
    source: 'Error values',
    level: 'SHOULD',
    writes: true,
    needs: [
      writable,
      ({ maximumPayload, unit, size }) =>
        maximumPayload <= 2 ** 26 && size >= maximumPayload + unit
          ? undefined
          : `the maximum payload is ${formatBytes(maximumPayload)}, and the export has ${formatBytes(size)}`,
    ],
    run: (client, facts) =>
      client.eachStyle(
        facts,
        async (session) => {
          const payload = pattern(facts.maximumPayload - (facts.maximumPayload % facts.unit) + facts.unit, 53);
          try {
            const { error } = await session.call({ type: command.write, payload });
            expect(error !== errno.overflow, 'it is');
          } catch (error) {
            // To end the connection is allowed, too.
            if (!(error instanceof ConnectionEnded)) throw error;
          }
        },
        { except: 'extended' },
      ),
  },
  {
    id: 'write.order',
    title: 'Of two writes to one place, the second sent after the first was answered, the second stays',
    source: 'Ordering of messages and writes',
    level: 'MUST',
    writes: true,
    needs,
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        for (let round = 0; round < 20; round++) await session.write(scratchOffset, pattern(facts.unit, 60 + round));
        const data = await session.read(scratchOffset, facts.unit);
        expect(data.equals(pattern(facts.unit, 79)), 'an earlier one is read back');
      }),
  },
  {
    id: 'write.fua-read-back',
    title: 'What was written with FUA is read back',
    source: 'Command flags',
    level: 'MUST',
    writes: true,
    needs: [...needs, advertises('fua')],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const data = pattern(8 * facts.unit, 81);
        await session.write(scratchOffset, data, fua);
        expect((await session.read(scratchOffset, data.length)).equals(data), 'what is read back differs');
      }),
  },
  {
    id: 'write.in-pieces',
    title: 'A write that comes in small pieces is put together',
    source: 'Request message',
    level: 'MUST',
    writes: true,
    needs,
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const payload = pattern(8 * facts.unit, 91);
        const cookie = 0x5151_5151n;
        const bytes = session.prepare({ type: command.write, offset: scratchOffset, payload, cookie });
        await session.connection.writeSlowly(bytes.subarray(0, 40));
        for (let at = 40; at < bytes.length; at += 333) await session.connection.write(bytes.subarray(at, at + 333));
        const { error } = await session.reply(cookie);
        expect(error === 0, `it failed with error ${error}`);
        expect((await session.read(scratchOffset, payload.length)).equals(payload), 'what is read back differs');
      }),
  },
  {
    id: 'write.refused-payload',
    title: 'The payload of a refused write is not taken for requests',
    source: 'Request message',
    level: 'MUST',
    writes: true,
    needs,
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        // The payload is requests, which would be answered if they were read.
        const inner = session.prepare({ type: command.read, length: facts.unit, cookie: 0x6666_6666n });
        const payload = Buffer.concat(Array.from({ length: Math.ceil(2 ** 16 / inner.length) }, () => inner));
        const whole = Buffer.concat([payload], 2 ** 16);
        const { error } = await session.call({ type: command.write, offset: facts.size, payload: whole });
        expect(error !== 0, 'a write beyond the end succeeded');
        await session.ping();
        expect(session.connection.unread === 0, 'more replies came than requests were sent');
      }),
  },
  {
    id: 'read.df-mixed',
    title: 'With DF data and zeroes come as one chunk of data',
    source,
    level: 'MUST',
    writes: true,
    needs: [...needs, chunked],
    run: (client, facts) =>
      client.eachStyle(
        facts,
        async (session) => {
          if ((session.info.flags & transmissionFlag.df) === 0) return;
          const length = 2 ** 16;
          await session.write(scratchOffset, Buffer.alloc(length));
          if ((session.info.flags & transmissionFlag.writeZeroes) !== 0) {
            await session.succeed({ type: command.writeZeroes, offset: scratchOffset, length });
          }
          const data = pattern(facts.unit, 95);
          await session.write(scratchOffset + facts.unit, data);
          const reply = await session.succeed({ type: command.read, offset: scratchOffset, length, flags: df });
          expect(reply.contents.length === 1 && !reply.contents[0]!.hole, 'it came as a hole or in pieces');
          expect(reply.data.subarray(facts.unit, 2 * facts.unit).equals(data), 'the data differs');
        },
        { except: 'simple' },
      ),
  },
];
