import { isZero, pattern } from './bytes.ts';
import { extensionSource, type Check } from './check.ts';
import type { Client } from './client.ts';
import { command, commandFlag, errno, isErrorReply, nameOfOptionReply, option, optionReply } from './constants.ts';
import type { Facts } from './facts.ts';
import { advertises, extended, sizeAtLeast, structured, writable } from './needs.ts';
import { ConnectionEnded, expect, within } from './outcome.ts';
import { hasScratch, scratchOffset } from './scratch.ts';
import { describe, encodeRequest, type Transmission } from './transmission.ts';

const { ack, errorExtendedHeadersRequired, errorInvalid } = optionReply;
const { payloadLength } = commandFlag;
const optionSource = extensionSource('Option types');
const requestSource = extensionSource('Request message');

const open = (client: Client): Promise<Transmission> => client.open({ style: 'extended' });

const optionChecks: readonly Check[] = [
  {
    id: 'extended.offered',
    title: 'Extended headers are offered',
    source: extensionSource('Future considerations'),
    level: 'MAY',
    run: async (client) => {
      const { final } = await (await client.negotiate()).ask(option.extendedHeaders);
      return final.type === ack ? undefined : `they are refused by ${nameOfOptionReply(final.type)}`;
    },
  },
  {
    id: 'extended.with-data',
    title: 'NBD_OPT_EXTENDED_HEADERS with data is refused by NBD_REP_ERR_INVALID',
    source: optionSource,
    level: 'SHOULD',
    needs: [extended],
    run: async (client) => {
      const negotiation = await client.negotiate();
      await negotiation.expect(option.extendedHeaders, Buffer.from('data'), errorInvalid);
      await within('afterwards', async () => {
        await (await client.enter(negotiation, 'simple')).ping();
      });
    },
  },
  {
    id: 'extended.after-structured',
    title: 'Extended headers take precedence over structured replies that were negotiated before',
    source: optionSource,
    level: 'MUST',
    needs: [extended, structured],
    run: async (client) => {
      const negotiation = await client.negotiate();
      await negotiation.acknowledged(option.structuredReply);
      await negotiation.acknowledged(option.extendedHeaders);
      await (await client.enter(negotiation, 'extended')).ping();
    },
  },
  {
    id: 'extended.then-structured',
    title: 'NBD_OPT_STRUCTURED_REPLY after extended headers is refused by NBD_REP_ERR_EXT_HEADER_REQD',
    source: optionSource,
    level: 'MUST',
    needs: [extended],
    run: async (client) => {
      const negotiation = await client.negotiate();
      await negotiation.acknowledged(option.extendedHeaders);
      await negotiation.expect(option.structuredReply, undefined, errorExtendedHeadersRequired);
      await (await client.enter(negotiation, 'extended')).ping();
    },
  },
  {
    id: 'extended.twice',
    title: 'Asked for again, extended headers are granted again or refused by NBD_REP_ERR_INVALID',
    source: 'Fixed newstyle negotiation',
    level: 'MUST',
    needs: [extended],
    run: async (client) => {
      const negotiation = await client.negotiate();
      await negotiation.acknowledged(option.extendedHeaders);
      await negotiation.expect(option.extendedHeaders, undefined, ack, errorInvalid);
      await (await client.enter(negotiation, 'extended')).ping();
    },
  },
  {
    id: 'extended.go',
    title: 'After extended headers NBD_OPT_GO is there',
    source: optionSource,
    level: 'MUST',
    needs: [extended],
    run: async (client) => {
      const negotiation = await client.negotiate();
      await negotiation.acknowledged(option.extendedHeaders);
      const { final } = await negotiation.ask(option.go, client.infoData([3]));
      expect(!isErrorReply(final.type), `it was answered by ${nameOfOptionReply(final.type)}`);
    },
  },
  {
    id: 'extended.contexts',
    title: 'Metadata contexts can be listed and selected with extended headers alone',
    source: optionSource,
    level: 'MUST',
    needs: [extended, ({ contexts }) => (contexts.length > 0 ? undefined : 'the server offers no metadata context')],
    run: async (client, facts) => {
      const session = await client.open({ style: 'extended', contexts: facts.contexts });
      await session.succeed({ type: command.blockStatus, length: facts.unit });
    },
  },
];

/** Announces `length` bytes of payload and sends `payload`; what comes is the caller's to read. */
async function announce(session: Transmission, type: number, length: bigint, payload: Buffer): Promise<void> {
  const flags = payloadLength;
  await session.connection.write(
    encodeRequest('extended', { type, flags, cookie: 0x7777n, offset: 0n, length }, payload),
  );
}

const headerChecks: readonly Check[] = [
  {
    id: 'extended.all-replies',
    title: 'Every reply has an extended header with the offset of its request, errors too',
    source: extensionSource('Extended reply chunk message'),
    level: 'MUST',
    needs: [extended],
    run: async (client, facts) => {
      const session = await open(client);
      const { unit, size } = facts;
      await session.read(unit, unit);
      await session.call({ type: command.read, offset: size, length: unit });
      await session.call({ type: command.read, offset: unit, length: unit, flags: 0x8000 });
      await session.call({ type: 0x6fff, offset: 0x0123_4567_89abn, length: unit });
      await session.call({ type: command.flush });
      await session.call({ type: command.blockStatus, offset: unit, length: unit });
      await session.ping();
    },
  },
  {
    id: 'extended.compact-request',
    title: 'A compact request is not served where extended headers were negotiated',
    source: requestSource,
    level: 'MUST',
    needs: [extended],
    run: async (client, facts) => {
      const { connection } = await open(client);
      const request = { type: command.read, flags: 0, cookie: 1n, offset: 0n, length: BigInt(facts.unit) };
      await connection.write(Buffer.concat([encodeRequest('simple', request), Buffer.alloc(4)]));
      expect(await connection.ends(), 'the server sent something');
      await client.stillServes(facts);
    },
  },
  {
    id: 'extended.byte-at-a-time',
    title: 'An extended request that comes a byte at a time is put together',
    source: requestSource,
    level: 'MUST',
    needs: [extended],
    run: async (client, facts) => {
      const session = await open(client);
      const cookie = 0x2468n;
      await session.connection.writeSlowly(session.prepare({ type: command.read, length: facts.unit, cookie }));
      expect((await session.reply(cookie)).error === 0, 'it failed');
    },
  },
  {
    id: 'extended.payload-not-wanted',
    title: 'A payload that a command has no use for is read, and refused by NBD_EINVAL',
    source: extensionSource('Command flags'),
    level: 'MUST',
    needs: [extended],
    run: async (client, facts) => {
      const types = [command.read, command.flush, command.cache, 0x6fff];
      for (const type of types) {
        for (const length of [1, 16, 4096, 2 ** 18]) {
          const session = await open(client);
          // The payload looks like requests, so that a server that does not read it would answer more than once.
          const inner = encodeRequest('extended', {
            type: command.read,
            flags: 0,
            cookie: 0x9999n,
            offset: 0n,
            length: BigInt(facts.unit),
          });
          const payload = Buffer.alloc(length, inner);
          await within(`command ${type} with ${length} bytes`, () => session.refuse({ type, payload }, errno.invalid));
          expect(session.connection.unread === 0, 'more replies came than requests were sent');
          session.connection.close();
        }
      }
    },
  },
  {
    id: 'extended.payload-too-long',
    title: 'A payload longer than the maximum ends the connection, and costs others nothing',
    source: requestSource,
    level: 'SHOULD',
    needs: [extended],
    run: async (client, facts) => {
      for (const length of [BigInt(facts.maximumPayload) + 2n ** 26n, 2n ** 40n, 2n ** 64n - 1n]) {
        const session = await open(client);
        await announce(session, command.write, length, Buffer.alloc(1024));
        await within(`${length} bytes`, () => session.connection.drain(4096));
      }
      await client.stillServes(facts);
    },
  },
  {
    id: 'extended.write-without-flag',
    title: 'A write without PAYLOAD_LEN is not carried out',
    source: extensionSource('Command flags'),
    level: 'MUST',
    writes: true,
    needs: [extended, writable, hasScratch],
    run: async (client, facts) => {
      const session = await open(client);
      const before = await session.read(scratchOffset, facts.unit);
      await session.reject({ type: command.write, offset: scratchOffset, length: facts.unit });
      const after = await (await client.open()).read(scratchOffset, facts.unit);
      expect(after.equals(before), 'the export changed');
    },
  },
  {
    id: 'extended.too-long',
    title: 'A length of 64 bits beyond the end is refused',
    source: requestSource,
    level: 'MUST',
    needs: [extended],
    run: async (client, facts) => {
      const wanted = [errno.invalid, errno.overflow];
      for (const length of [2n ** 33n + BigInt(facts.size), 2n ** 63n, 2n ** 64n - BigInt(facts.unit)]) {
        for (const offset of [0n, BigInt(facts.unit), 2n ** 63n]) {
          const session = await open(client);
          await within(`${offset}+${length}`, () => session.refuse({ type: command.read, offset, length }, ...wanted));
          session.connection.close();
        }
      }
    },
  },
];

const fourGiB = 2 ** 32;
const room = sizeAtLeast(fourGiB + 2 ** 24);

async function largeEffect(session: Transmission, facts: Facts, type: number): Promise<number> {
  const reply = await session.call({ type, length: facts.size - (facts.size % facts.unit) });
  const allowed = [0, errno.overflow, errno.invalid];
  expect(allowed.includes(reply.error), `it failed with ${describe(reply)}`);
  await session.ping();
  return reply.error;
}

const largeChecks: readonly Check[] = [
  {
    id: 'extended.zero-64-bit',
    title: 'More than 4 GiB are zeroed by one request, or it fails with NBD_EOVERFLOW or NBD_EINVAL',
    source: requestSource,
    level: 'SHOULD',
    writes: true,
    needs: [extended, writable, advertises('writeZeroes'), room],
    run: async (client, facts) => {
      const session = await open(client);
      const offset = fourGiB + 2 ** 20;
      await session.write(offset, pattern(2 ** 16, 161));
      if ((await largeEffect(session, facts, command.writeZeroes)) !== 0) return 'the server refuses so much';
      expect(isZero(await session.read(offset, 2 ** 16)), 'it succeeded and does not read as zeroes');
      return undefined;
    },
  },
  {
    id: 'extended.trim-64-bit',
    title: 'More than 4 GiB are trimmed by one request, or it fails with NBD_EOVERFLOW or NBD_EINVAL',
    source: requestSource,
    level: 'SHOULD',
    writes: true,
    needs: [extended, writable, advertises('trim'), room],
    run: async (client, facts) =>
      (await largeEffect(await open(client), facts, command.trim)) === 0 ? undefined : 'the server refuses so much',
  },
  {
    id: 'extended.cache-64-bit',
    title: 'NBD_CMD_CACHE of more than 4 GiB does not end the connection',
    source: requestSource,
    level: 'SHOULD',
    needs: [extended, advertises('cache'), room],
    run: async (client, facts) => {
      const session = await open(client);
      await session.call({ type: command.cache, length: facts.size });
      await session.ping();
    },
  },
  {
    id: 'extended.read-64-bit',
    title: 'A read of more than 4 GiB is refused by NBD_EOVERFLOW or NBD_EINVAL',
    source: requestSource,
    level: 'SHOULD',
    needs: [extended, room],
    run: async (client, facts) => {
      const session = await open(client);
      const length = facts.size - (facts.size % facts.unit);
      try {
        await session.refuse({ type: command.read, length }, errno.overflow, errno.invalid);
      } catch (error) {
        if (error instanceof ConnectionEnded) return 'the server takes it for an attack and closes';
        throw error;
      }
      return undefined;
    },
  },
];

export const extendedChecks: readonly Check[] = [...optionChecks, ...headerChecks, ...largeChecks];
