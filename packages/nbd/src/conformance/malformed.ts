import { pattern, u32 } from './bytes.ts';
import { extensionSource, robustnessSource, type Check } from './check.ts';
import { command, errno, handshakeFlag, magic, option } from './constants.ts';
import { lacks, writable } from './needs.ts';
import { encodeOption } from './negotiation.ts';
import { ConnectionEnded, expect, within } from './outcome.ts';
import type { RawConnection } from './raw-client.ts';
import { hasScratch, scratchOffset } from './scratch.ts';
import { encodeRequest } from './transmission.ts';

/** What a server may send to garbage before it ends the connection: a few refusals. */
const someReplies = 2 ** 16;

const compactRead = (length: number): Buffer =>
  encodeRequest('simple', { type: command.read, flags: 0, cookie: 0x1111n, offset: 0n, length: BigInt(length) });

/**
 * Reads until the end, and fails where something in it says that a request or an option was carried out. A server may
 * answer garbage by errors, of whatever cookie.
 */
async function expectNoSuccess(connection: RawConnection): Promise<void> {
  try {
    for (;;) {
      const first = (await connection.read(4, 'an error')).readUInt32BE(0);
      expect(first === magic.simpleReply, `the server sent something that starts with 0x${first.toString(16)}`);
      const error = (await connection.read(12, 'the rest of an error')).readUInt32BE(0);
      expect(error !== 0, 'the server answered by success');
    }
  } catch (error) {
    if (!(error instanceof ConnectionEnded)) throw error;
  }
}

const commandChecks: readonly Check[] = [
  {
    id: 'command.unknown',
    title: 'An unknown command is refused by NBD_EINVAL, and the next one is served',
    source: 'Error values',
    level: 'SHOULD',
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        for (const type of [9, 10, 255, 0x1000, 0x7fff, 0xffff]) {
          await within(`command ${type}`, () => session.refuse({ type }, errno.invalid));
        }
      }),
  },
  {
    id: 'command.unknown-fields',
    title: 'Whatever the fields of an unknown command are, nothing follows it',
    source: 'Request message',
    level: 'MUST',
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        await session.refuse({ type: 0x7ffe, offset: facts.unit, length: facts.unit }, errno.invalid);
        await session.refuse({ type: 0x7ffe, offset: 2n ** 64n - 1n, length: 2 ** 32 - 1 }, errno.invalid);
      }),
  },
  {
    id: 'command.resize',
    title: 'NBD_CMD_RESIZE, where it is not offered, is refused by NBD_EINVAL',
    source: 'Error values',
    level: 'SHOULD',
    writes: true,
    needs: [lacks('resize')],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        await session.refuse({ type: command.resize, offset: facts.size }, errno.invalid);
      }),
  },
];

const wrongMagics = [0, magic.request + 1, magic.simpleReply, magic.historicRequest, magic.extendedReply];

const garbageChecks: readonly Check[] = [
  {
    id: 'malformed.request-magic',
    title: 'A request with a wrong magic is not served',
    source: 'Request message',
    level: 'MUST',
    run: async (client, facts) => {
      for (const wrong of wrongMagics) {
        const { connection } = await client.open();
        const bytes = compactRead(facts.unit);
        bytes.writeUInt32BE(wrong);
        await connection.write(bytes);
        connection.halfClose();
        await within(`magic 0x${wrong.toString(16)}`, () => expectNoSuccess(connection));
      }
      await client.stillServes(facts);
    },
  },
  {
    id: 'malformed.request-magic-closes',
    title: 'A request with a wrong magic ends the connection, as nobody knows where the next one starts',
    source: robustnessSource,
    level: 'SHOULD',
    run: async (client, facts) => {
      for (const wrong of wrongMagics) {
        const { connection } = await client.open();
        const bytes = compactRead(facts.unit);
        bytes.writeUInt32BE(wrong);
        await connection.write(bytes);
        await within(`magic 0x${wrong.toString(16)}`, async () => {
          expect(await connection.ends(), 'the server sent something');
        });
      }
      await client.stillServes(facts);
    },
  },
  {
    id: 'malformed.option-in-transmission',
    title: 'An option in the transmission phase is not carried out',
    source: 'Option types',
    level: 'MUST',
    run: async (client, facts) => {
      const { connection } = await client.open();
      await connection.write(Buffer.concat([encodeOption(option.list), encodeOption(option.abort)]));
      connection.halfClose();
      await expectNoSuccess(connection);
      await client.stillServes(facts);
    },
  },
  {
    id: 'malformed.extended-request',
    title: 'An extended request is not served where extended headers were not negotiated',
    source: extensionSource('Request message'),
    level: 'MUST',
    run: async (client, facts) => {
      const { connection } = await client.open();
      const request = { type: command.read, flags: 0, cookie: 1n, offset: 0n, length: BigInt(facts.unit) };
      await connection.write(encodeRequest('extended', request));
      connection.halfClose();
      await expectNoSuccess(connection);
      await client.stillServes(facts);
    },
  },
  {
    id: 'malformed.truncated-request',
    title: 'The connection ends when the client stops sending in the middle of a request',
    source: robustnessSource,
    level: 'SHOULD',
    run: async (client, facts) => {
      for (const length of [1, 4, 27]) {
        const { connection } = await client.open();
        await connection.write(compactRead(facts.unit).subarray(0, length));
        connection.halfClose();
        expect(await connection.ends(), 'the server sent something');
      }
    },
  },
  {
    id: 'malformed.truncated-write',
    title: 'A write whose payload stops in the middle harms nobody else',
    source: robustnessSource,
    level: 'MUST',
    writes: true,
    needs: [writable, hasScratch],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const payload = pattern(2 ** 16, 171);
        const bytes = session.prepare({ type: command.write, offset: scratchOffset, payload });
        await session.connection.write(bytes.subarray(0, bytes.length - 1000));
        session.connection.halfClose();
        await session.connection.drain(someReplies);
        await client.stillServes(facts);
      }),
  },
  {
    id: 'malformed.endless-write',
    title: 'A write that announces 4 GiB and sends little costs others nothing',
    source: robustnessSource,
    level: 'MUST',
    writes: true,
    needs: [writable],
    run: async (client, facts) => {
      for (let count = 0; count < 8; count++) {
        const { connection } = await client.open();
        const request = { type: command.write, flags: 0, cookie: 1n, offset: 0n, length: 2n ** 32n - 1n };
        await connection.write(encodeRequest('simple', request, Buffer.alloc(4096)));
      }
      await client.stillServes(facts);
    },
  },
  {
    id: 'malformed.random-options',
    title: 'Random bytes in place of options harm nobody else',
    source: robustnessSource,
    level: 'MUST',
    plain: true,
    run: async (client, facts) => {
      for (let seed = 0; seed < 8; seed++) {
        const negotiation = await client.greet();
        await negotiation.connection.write(pattern(4096, 180 + seed));
        negotiation.connection.halfClose();
        await negotiation.connection.drain(someReplies);
      }
      const negotiation = await client.greet();
      await negotiation.connection.write(Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'));
      negotiation.connection.halfClose();
      await negotiation.connection.drain(someReplies);
      await client.stillServes(facts);
    },
  },
  {
    id: 'malformed.random-option-data',
    title: 'Random data in options harms nobody else',
    source: robustnessSource,
    level: 'MUST',
    plain: true,
    run: async (client, facts) => {
      for (let number = 1; number <= 11; number++) {
        if (number === option.startTls) continue;
        const negotiation = await client.greet();
        const bytes = encodeOption(number, pattern(64, 190 + number));
        await negotiation.connection.write(Buffer.concat([u32(handshakeFlag.fixedNewstyle), bytes]));
        negotiation.connection.halfClose();
        await negotiation.connection.drain(someReplies);
      }
      await client.stillServes(facts);
    },
  },
  {
    id: 'malformed.random-requests',
    title: 'Random bytes in place of requests harm nobody else',
    source: robustnessSource,
    level: 'MUST',
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        for (let seed = 0; seed < 4; seed++) {
          const { connection } = await client.open({ style: session.style });
          await connection.write(pattern(4096, 200 + seed));
          connection.halfClose();
          await connection.drain(someReplies);
        }
        await session.ping();
      }),
  },
];

export const malformedChecks: readonly Check[] = [...commandChecks, ...garbageChecks];
