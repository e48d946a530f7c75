import { u32, u64 } from './bytes.ts';
import { extensionSource, type Check } from './check.ts';
import type { Client } from './client.ts';
import { command, errno, transmissionFlag } from './constants.ts';
import type { Facts } from './facts.ts';
import { allocation, extended, sizeAtLeast } from './needs.ts';
import { expect, Skipped, within } from './outcome.ts';
import { describe, type Transmission } from './transmission.ts';

const source = extensionSource('Request types');
const needs = [extended, allocation];
const { blockStatus } = command;

const open = (client: Client, contexts: readonly string[]): Promise<Transmission> =>
  client.open({ style: 'extended', contexts });

/** A session with all contexts, on a server that takes payloads of NBD_CMD_BLOCK_STATUS. */
async function openFiltering(client: Client, facts: Facts): Promise<Transmission> {
  const session = await open(client, facts.contexts);
  if ((session.info.flags & transmissionFlag.blockStatusPayload) !== 0) return session;
  throw new Skipped('the server does not advertise NBD_FLAG_BLOCK_STATUS_PAYLOAD');
}

const filter = (length: number, ids: readonly number[]): Buffer => Buffer.concat([u64(length), ...ids.map(u32)]);

export const extendedStatusChecks: readonly Check[] = [
  {
    id: 'extended.status',
    title: 'Block status has extents of 64 bits, whatever the length of the request',
    source: extensionSource('Structured reply types'),
    level: 'MUST',
    needs,
    run: async (client, facts) => {
      const session = await open(client, ['base:allocation']);
      for (const length of [facts.unit, facts.size - (facts.size % facts.unit)]) {
        const reply = await session.succeed({ type: blockStatus, length });
        const extents = [...reply.statuses.values()].flat();
        expect(
          extents.every(({ status }) => status >> 32n === 0n),
          'a status of base:allocation has its upper half set',
        );
      }
    },
  },
  {
    id: 'extended.status-long',
    title: 'An extent longer than 4 GiB can be told as one',
    source: extensionSource('Structured reply types'),
    level: 'MAY',
    needs: [...needs, sizeAtLeast(2 ** 32 + 2 ** 24)],
    run: async (client, facts) => {
      const session = await open(client, ['base:allocation']);
      const reply = await session.succeed({ type: blockStatus, length: facts.size - (facts.size % facts.unit) });
      const longest = Math.max(...[...reply.statuses.values()].flat().map(({ length }) => length));
      return longest > 2 ** 32 ? undefined : `the longest extent has ${longest} bytes`;
    },
  },
  {
    id: 'extended.filter',
    title: 'A payload of context ids has exactly these contexts answered',
    source,
    level: 'MUST',
    needs,
    run: async (client, facts) => {
      const session = await openFiltering(client, facts);
      for (const { id } of session.contexts) {
        const cookie = BigInt(0xabcd_0000 + id);
        const payload = filter(facts.unit, [id]);
        await session.connection.write(session.prepare({ type: blockStatus, payload, cookie }, [id]));
        const reply = await session.reply(cookie);
        expect(reply.error === 0, `context ${id}: ${describe(reply)}`);
      }
      await session.succeed({
        type: blockStatus,
        payload: filter(
          facts.unit,
          session.contexts.map(({ id }) => id),
        ),
      });
    },
  },
  {
    id: 'extended.filter-wrong',
    title: 'Unknown ids, an id twice and payloads of odd lengths are refused by NBD_EINVAL',
    source,
    level: 'MUST',
    needs,
    run: async (client, facts) => {
      const session = await openFiltering(client, facts);
      const ids = session.contexts.map(({ id }) => id);
      const unknown = Math.max(...ids) + 1000;
      const cases: readonly (readonly [string, Buffer])[] = [
        ['an unknown id', filter(facts.unit, [unknown])],
        ['an unknown id among known ones', filter(facts.unit, [...ids, unknown])],
        ['an id twice', filter(facts.unit, [ids[0]!, ids[0]!])],
        ['4 bytes', Buffer.alloc(4)],
        ['an odd length', Buffer.concat([filter(facts.unit, ids), Buffer.alloc(3)])],
        ['a range beyond the end', filter(facts.size + facts.unit, ids)],
      ];
      for (const [title, payload] of cases) {
        await within(title, () => session.refuse({ type: blockStatus, payload }, errno.invalid));
      }
    },
  },
  {
    id: 'extended.filter-many',
    title: 'A payload of 64 Ki ids is read and refused',
    source,
    level: 'MUST',
    needs,
    run: async (client, facts) => {
      const session = await openFiltering(client, facts);
      const ids = Array.from({ length: 2 ** 16 }, (_, index) => index + 1);
      await session.refuse({ type: blockStatus, payload: filter(facts.unit, ids) }, errno.invalid);
    },
  },
  {
    id: 'extended.filter-not-offered',
    title: 'A payload of NBD_CMD_BLOCK_STATUS, where it is not offered, is read and refused by NBD_EINVAL',
    source,
    level: 'MUST',
    needs,
    run: async (client, facts) => {
      // Without a selected context the flag should be clear (Transmission flags).
      const session = await open(client, []);
      if ((session.info.flags & transmissionFlag.blockStatusPayload) !== 0) throw new Skipped('the server offers it');
      await session.refuse({ type: blockStatus, payload: filter(facts.unit, [0, 1]) }, errno.invalid);
    },
  },
];
