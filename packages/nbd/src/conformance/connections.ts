import { pattern } from './bytes.ts';
import { robustnessSource, type Check } from './check.ts';
import { flushIfOffered, type Client } from './client.ts';
import { command, commandFlag, info, option, transmissionFlag } from './constants.ts';
import type { Facts } from './facts.ts';
import { advertises, structured, writable } from './needs.ts';
import { parseInfo } from './negotiation.ts';
import { ConnectionEnded, expect } from './outcome.ts';
import { hasScratch, scratchLength, scratchOffset } from './scratch.ts';
import type { Transmission } from './transmission.ts';

const many = 32;

/** Fills the scratch area so that each of its blocks can be told from the others. */
async function fillScratch(client: Client, facts: Facts): Promise<Buffer> {
  const session = await client.open({ style: facts.bestStyle });
  const data = pattern(scratchLength, 211);
  await session.write(scratchOffset, data);
  await flushIfOffered(session);
  session.connection.close();
  return data;
}

/** Sends reads of one block each without waiting, and compares what comes. */
async function pipelinedReads(session: Transmission, { unit }: Facts, count: number, wanted: Buffer): Promise<void> {
  const blocks = Math.floor(scratchLength / unit);
  const places = Array.from({ length: count }, (_, index) => ((index * 7) % blocks) * unit);
  const requests = places.map((at, index) => ({ at, cookie: 0xfedc_ba98_0000_0000n + BigInt(index * 3) }));
  await session.connection.write(
    Buffer.concat(
      requests.map(({ at, cookie }) =>
        session.prepare({ type: command.read, offset: scratchOffset + at, length: unit, cookie }),
      ),
    ),
  );
  for (const { at, cookie } of requests.toReversed()) {
    const reply = await session.reply(cookie);
    expect(reply.error === 0, `a read failed with error ${reply.error}`);
    expect(reply.data.equals(wanted.subarray(at, at + unit)), `the data at ${at} is that of another place`);
  }
  expect(session.connection.unread === 0, 'more replies came than requests were sent');
}

const pipelineChecks: readonly Check[] = [
  {
    id: 'pipeline.cookies',
    title: 'Each reply has the cookie of its request, whatever its 64 bits are',
    source: 'Transmission',
    level: 'MUST',
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        for (const cookie of [0n, 1n, 2n ** 63n, 2n ** 64n - 1n, 0x0102_0304_0506_0708n, 0xff00_0000_0000_00ffn]) {
          await session.succeed({ type: command.read, length: facts.unit, cookie });
          await session.call({ type: 0x6fff, cookie });
        }
      }),
  },
  {
    id: 'pipeline.reads',
    title: '256 reads in one go are each answered once, with their own data',
    source: 'Transmission',
    level: 'MUST',
    writes: true,
    needs: [writable, hasScratch],
    run: async (client, facts) => {
      const wanted = await fillScratch(client, facts);
      await client.eachStyle(facts, (session) => pipelinedReads(session, facts, 256, wanted));
    },
  },
  {
    id: 'pipeline.writes',
    title: 'Writes to different places in one go are all carried out',
    source: 'Transmission',
    level: 'MUST',
    writes: true,
    needs: [writable, hasScratch],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const wanted = pattern(64 * facts.unit, 221);
        const cookies = Array.from({ length: 64 }, (_, index) => BigInt(index + 1));
        const requests = cookies.map((cookie, index) => {
          const payload = wanted.subarray(index * facts.unit, (index + 1) * facts.unit);
          const offset = scratchOffset + index * facts.unit;
          return session.prepare({ type: command.write, offset, payload, cookie });
        });
        await session.connection.write(Buffer.concat(requests));
        for (const cookie of cookies) expect((await session.reply(cookie)).error === 0, 'a write failed');
        expect((await session.read(scratchOffset, wanted.length)).equals(wanted), 'what is read back differs');
      }),
  },
  {
    id: 'pipeline.mixed',
    title: 'Reads, errors, flushes and unknown commands in one go are each answered once',
    source: 'Transmission',
    level: 'MUST',
    needs: [hasScratch],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const flush = (facts.flags & transmissionFlag.flush) === 0 ? [] : [{ type: command.flush }];
        const kinds = [
          { type: command.read, offset: scratchOffset, length: facts.unit },
          { type: 0x6fff },
          { type: command.read, length: facts.unit, flags: 0x8000 },
          ...flush,
          { type: command.read, length: 64 * facts.unit },
        ];
        const requests = Array.from({ length: 100 }, (_, index) => ({
          ...kinds[index % kinds.length]!,
          cookie: BigInt(1000 + index),
        }));
        await session.connection.write(Buffer.concat(requests.map((request) => session.prepare(request))));
        for (const { cookie } of requests) await session.reply(cookie);
        expect(session.connection.unread === 0, 'more replies came than requests were sent');
      }),
  },
  {
    id: 'pipeline.byte-at-a-time',
    title: 'Requests that come a byte at a time are put together',
    source: 'Request message',
    level: 'MUST',
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const requests = [11n, 12n, 13n].map((cookie) =>
          session.prepare({ type: command.read, length: facts.unit, cookie }),
        );
        await session.connection.writeSlowly(Buffer.concat(requests));
        for (const cookie of [11n, 12n, 13n]) expect((await session.reply(cookie)).error === 0, 'a read failed');
      }),
  },
  {
    id: 'pipeline.slow-reader',
    title: 'Clients that ask for much, read nothing and leave do not disturb others',
    source: robustnessSource,
    level: 'MUST',
    run: async (client, facts) => {
      const length = Math.min(2 ** 20, facts.size - (facts.size % facts.unit));
      for (let round = 0; round < 16; round++) {
        const session = await client.open({ style: facts.bestStyle });
        for (let count = 0; count < 64; count++) {
          await session.connection.write(session.prepare({ type: command.read, length }));
        }
        await client.stillServes(facts);
        session.connection.close();
      }
      for (let round = 0; round < 4; round++) await client.stillServes(facts);
    },
  },
  {
    id: 'pipeline.slow-reader-later',
    title: 'A client that reads late gets all replies',
    source: 'Transmission',
    level: 'MUST',
    run: async (client, facts) => {
      const session = await client.open({ style: facts.bestStyle });
      const length = Math.min(2 ** 18, facts.size - (facts.size % facts.unit));
      const cookies = Array.from({ length: 64 }, (_, index) => BigInt(index + 1));
      for (const cookie of cookies) await session.send({ type: command.read, length, cookie });
      await client.stillServes(facts);
      for (const cookie of cookies) expect((await session.reply(cookie)).error === 0, 'a read failed');
    },
  },
];

const manyChecks: readonly Check[] = [
  {
    id: 'connections.many',
    title: `${many} connections at once are served`,
    source: robustnessSource,
    level: 'SHOULD',
    run: async (client, facts) => {
      const sessions: Transmission[] = [];
      for (let count = 0; count < many; count++) sessions.push(await client.open({ style: facts.bestStyle }));
      await Promise.all(sessions.map((session) => session.ping()));
    },
  },
  {
    id: 'connections.at-once',
    title: `${many} clients that connect at the same time are served`,
    source: robustnessSource,
    level: 'SHOULD',
    run: async (client) => {
      const opening = Array.from({ length: many }, async () => (await client.open()).ping());
      await Promise.all(opening);
    },
  },
  {
    id: 'connections.same-export',
    title: 'All connections see the same size and flags',
    source: 'Transmission flags',
    level: 'MUST',
    run: async (client, facts) => {
      for (let count = 0; count < 4; count++) {
        const { info: found } = await client.open({ style: facts.bestStyle });
        expect(found.size === facts.size, `the size is ${found.size}, and ${facts.size} on another one`);
        expect(found.flags === facts.flags, `the flags are 0x${found.flags.toString(16)}, and others on another one`);
      }
    },
  },
  {
    id: 'connections.flush',
    title: 'What one connection wrote and another one flushed, a third one reads',
    source: 'Transmission flags',
    level: 'MUST',
    writes: true,
    needs: [writable, hasScratch, advertises('multiConnection'), advertises('flush')],
    run: async (client, facts) => {
      const [writer, flusher, reader] = [await client.open(), await client.open(), await client.open()];
      for (let round = 0; round < 8; round++) {
        const data = pattern(8 * facts.unit, 230 + round);
        await writer.write(scratchOffset, data);
        await flusher.succeed({ type: command.flush });
        expect((await reader.read(scratchOffset, data.length)).equals(data), 'it reads something older');
      }
    },
  },
  {
    id: 'connections.fua',
    title: 'What one connection wrote with FUA, another one reads',
    source: 'Transmission flags',
    level: 'MUST',
    writes: true,
    needs: [writable, hasScratch, advertises('multiConnection'), advertises('fua')],
    run: async (client, facts) => {
      const [writer, reader] = [await client.open(), await client.open({ style: facts.bestStyle })];
      for (let round = 0; round < 8; round++) {
        const data = pattern(8 * facts.unit, 240 + round);
        await reader.read(scratchOffset, data.length);
        await writer.write(scratchOffset, data, commandFlag.fua);
        expect((await reader.read(scratchOffset, data.length)).equals(data), 'it reads something older');
      }
    },
  },
  {
    id: 'connections.parallel-writes',
    title: 'Connections that write to different places at the same time do not disturb each other',
    source: 'Transmission flags',
    level: 'MUST',
    writes: true,
    needs: [writable, hasScratch, advertises('multiConnection')],
    run: async (client, facts) => {
      const length = 8 * facts.unit;
      const writers = await Promise.all(Array.from({ length: 8 }, () => client.open({ style: facts.bestStyle })));
      await Promise.all(
        writers.map((session, index) => session.write(scratchOffset + index * length, pattern(length, 250 + index))),
      );
      await Promise.all(writers.map((session) => flushIfOffered(session)));
      const reader = await client.open();
      for (let index = 0; index < writers.length; index++) {
        const data = await reader.read(scratchOffset + index * length, length);
        expect(data.equals(pattern(length, 250 + index)), `the data of connection ${index} differs`);
      }
    },
  },
];

const reconnectChecks: readonly Check[] = [
  {
    id: 'reconnect.data',
    title: 'What was written and flushed is there after a reconnect',
    source: 'Ordering of messages and writes',
    level: 'MUST',
    writes: true,
    needs: [writable, hasScratch, advertises('flush')],
    run: async (client, facts) => {
      const wanted = await fillScratch(client, facts);
      const data = await (await client.open()).read(scratchOffset, wanted.length);
      expect(data.equals(wanted), 'what is read differs');
    },
  },
  {
    id: 'reconnect.state',
    title: 'Nothing that one connection negotiated is in effect on the next',
    source: 'Fixed newstyle negotiation',
    level: 'MUST',
    needs: [structured],
    run: async (client, facts) => {
      const first = await client.open({ style: facts.bestStyle });
      await first.ping();
      first.connection.close();
      const negotiation = await client.negotiate();
      const found = parseInfo(await negotiation.acknowledged(option.info, client.infoData([info.blockSize])));
      expect((found.flags & transmissionFlag.df) === 0, 'NBD_FLAG_SEND_DF is set');
      await (await client.enter(negotiation, 'simple')).ping();
    },
  },
  {
    id: 'reconnect.often',
    title: 'A client may connect, read and leave 64 times',
    source: robustnessSource,
    level: 'MUST',
    run: async (client) => {
      for (let round = 0; round < 64; round++) {
        const session = await client.open();
        await session.ping();
        if (round % 2 === 0) await session.send({ type: command.disconnect });
        session.connection.close();
      }
    },
  },
];

const endChecks: readonly Check[] = [
  {
    id: 'disconnect.closes',
    title: 'NBD_CMD_DISC has no reply and ends the connection',
    source: 'Terminating the transmission phase',
    level: 'MUST',
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        await session.ping();
        await session.send({ type: command.disconnect });
        expect(await session.connection.ends(), 'the server sent something');
      }),
  },
  {
    id: 'disconnect.at-once',
    title: 'NBD_CMD_DISC as the first request ends the connection',
    source: 'Terminating the transmission phase',
    level: 'MUST',
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        await session.send({ type: command.disconnect });
        expect(await session.connection.ends(), 'the server sent something');
      }),
  },
  {
    id: 'disconnect.outstanding',
    title: 'Requests that are on their way when NBD_CMD_DISC comes are handled',
    source: 'Request types',
    level: 'MUST',
    writes: true,
    needs: [writable, hasScratch],
    run: async (client, facts) => {
      let seed = 260;
      await client.eachStyle(facts, async (session) => {
        const wanted = pattern(32 * facts.unit, seed++);
        const requests = Array.from({ length: 32 }, (_, index) => {
          const payload = wanted.subarray(index * facts.unit, (index + 1) * facts.unit);
          return session.prepare({ type: command.write, offset: scratchOffset + index * facts.unit, payload });
        });
        requests.push(session.prepare({ type: command.disconnect }));
        await session.connection.write(Buffer.concat(requests));
        await session.connection.drain(2 ** 16);
        const data = await (await client.open()).read(scratchOffset, wanted.length);
        expect(data.equals(wanted), 'what they wrote is not there');
      });
    },
  },
  {
    id: 'disconnect.half-close',
    title: 'A client that stops sending still gets the replies to what it sent, and the connection ends',
    source: robustnessSource,
    level: 'SHOULD',
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const cookies = [21n, 22n, 23n, 24n];
        const length = 64 * facts.unit;
        const requests = cookies.map((cookie) => session.prepare({ type: command.read, length, cookie }));
        await session.connection.write(Buffer.concat(requests));
        session.connection.halfClose();
        for (const cookie of cookies) await session.reply(cookie);
        expect(await session.connection.ends(), 'the server sent something more');
      }),
  },
  {
    id: 'disconnect.in-flight',
    title: 'Clients that break off with requests on their way do not disturb others',
    source: robustnessSource,
    level: 'MUST',
    run: async (client, facts) => {
      const steady = await client.open({ style: facts.bestStyle });
      for (let round = 0; round < 8; round++) {
        const session = await client.open({ style: facts.bestStyle });
        const length = Math.min(2 ** 20, facts.size - (facts.size % facts.unit));
        for (let count = 0; count < 8; count++) await session.send({ type: command.read, length });
        if (round % 2 === 0) session.connection.reset();
        else session.connection.close();
        await steady.ping();
      }
      await client.stillServes(facts);
    },
  },
  {
    id: 'disconnect.with-fields',
    title: 'NBD_CMD_DISC with an offset and a length, which must be zero, ends the connection too',
    source: 'Request types',
    level: 'MAY',
    run: async (client, facts) => {
      const session = await client.open();
      await session.send({ type: command.disconnect, offset: facts.unit, length: facts.unit });
      try {
        expect(await session.connection.ends(), 'the server sent something');
      } catch (error) {
        if (!(error instanceof ConnectionEnded)) throw error;
      }
    },
  },
];

export const connectionChecks: readonly Check[] = [...pipelineChecks, ...manyChecks, ...reconnectChecks, ...endChecks];
