import { u32 } from './bytes.ts';
import { robustnessSource, type Check } from './check.ts';
import type { Client } from './client.ts';
import { handshakeFlag, isErrorReply, nameOfOptionReply, option } from './constants.ts';
import { notForced } from './needs.ts';
import { encodeOption, parseExport } from './negotiation.ts';
import { ConnectionEnded, expect, within } from './outcome.ts';

const { fixedNewstyle, noZeroes } = handshakeFlag;
const unknownOption = 0x7fff_0001;

/** Fails unless the server ends the connection after these flags. */
async function dropsAfterFlags(client: Client, flags: number): Promise<void> {
  const negotiation = await client.greet();
  await negotiation.sendFlags(flags);
  const name = `client flags 0x${flags.toString(16)}`;
  await within(name, async () => {
    // A server that took the flags would wait for an option, so that one is sent for it to answer.
    await negotiation.send(option.abort);
    expect(await negotiation.connection.ends(), 'the server went on in place of dropping the connection');
  });
}

export const handshakeChecks: readonly Check[] = [
  {
    id: 'handshake.greeting',
    title: 'The greeting is NBDMAGIC, IHAVEOPT and 16 bits of flags',
    source: 'Newstyle negotiation',
    level: 'MUST',
    plain: true,
    run: async (client) => {
      await client.greet();
    },
  },
  {
    id: 'handshake.fixed-newstyle',
    title: 'NBD_FLAG_FIXED_NEWSTYLE is set',
    source: 'Baseline',
    level: 'MUST',
    plain: true,
    run: async (client) => {
      const { handshakeFlags } = await client.greet();
      expect((handshakeFlags & fixedNewstyle) !== 0, `the server's flags are 0x${handshakeFlags.toString(16)}`);
    },
  },
  {
    id: 'handshake.no-unknown-flags',
    title: 'No flag is set that the document does not define',
    source: 'Handshake flags',
    level: 'MUST',
    plain: true,
    run: async (client) => {
      const { handshakeFlags } = await client.greet();
      const unknown = handshakeFlags & ~(fixedNewstyle | noZeroes);
      expect(unknown === 0, `unknown flags 0x${unknown.toString(16)} are set`);
    },
  },
  {
    id: 'handshake.offers-no-zeroes',
    title: 'NBD_FLAG_NO_ZEROES is offered',
    source: 'Handshake flags',
    level: 'MAY',
    plain: true,
    run: async (client) => {
      const { handshakeFlags } = await client.greet();
      return (handshakeFlags & noZeroes) === 0 ? 'it is not' : undefined;
    },
  },
  {
    id: 'handshake.client-speaks-next',
    title: 'After the greeting the server says nothing until the client has sent an option',
    source: 'Newstyle negotiation',
    level: 'MUST',
    plain: true,
    run: async (client) => {
      const negotiation = await client.negotiatePlain();
      const { final } = await negotiation.ask(unknownOption);
      expect(isErrorReply(final.type), `an unknown option was answered by ${nameOfOptionReply(final.type)}`);
    },
  },
  {
    id: 'handshake.client-flags-unknown',
    title: 'The connection is dropped when the client sets an unknown flag',
    source: 'Client flags',
    level: 'MUST',
    plain: true,
    run: async (client) => {
      for (const bit of [2, 8, 16, 31]) await dropsAfterFlags(client, (fixedNewstyle | (1 << bit)) >>> 0);
    },
  },
  {
    id: 'handshake.client-flags-not-offered',
    title: 'The connection is dropped when the client sets a flag that was not offered',
    source: 'Client flags',
    level: 'MUST',
    plain: true,
    needs: [
      ({ handshakeFlags }) =>
        (handshakeFlags & noZeroes) === 0 ? undefined : 'the server offers every flag that there is',
    ],
    run: (client) => dropsAfterFlags(client, fixedNewstyle | noZeroes),
  },
  {
    id: 'handshake.not-fixed',
    title: 'A client that sets no flag can take an export by NBD_OPT_EXPORT_NAME, with the 124 zeroes',
    source: 'Newstyle negotiation',
    level: 'MUST',
    needs: [notForced],
    run: async (client, facts) => {
      const negotiation = await client.greet();
      await negotiation.sendFlags(0);
      await negotiation.send(option.exportName, Buffer.from(client.target.exportName));
      const bytes = await negotiation.connection.read(134, 'the export and 124 zeroes');
      const { size } = parseExport(bytes);
      expect(size === facts.size, `the size is ${size}, and ${facts.size} by NBD_OPT_GO`);
    },
  },
  {
    id: 'handshake.not-fixed-no-tls',
    title: 'A client that did not set FIXED_NEWSTYLE is not upgraded to TLS',
    source: 'Server-side requirements',
    level: 'MUST',
    plain: true,
    run: async (client) => {
      const negotiation = await client.greet();
      await negotiation.sendFlags(0);
      try {
        const { final } = await negotiation.ask(option.startTls);
        expect(isErrorReply(final.type), `STARTTLS was answered by ${nameOfOptionReply(final.type)}`);
      } catch (error) {
        // A server of the first newstyle closes at any option but EXPORT_NAME.
        if (!(error instanceof ConnectionEnded)) throw error;
      }
    },
  },
  {
    id: 'handshake.one-segment',
    title: 'Flags and an option that come together are taken apart',
    source: 'Newstyle negotiation',
    level: 'MUST',
    plain: true,
    run: async (client) => {
      const negotiation = await client.greet();
      await negotiation.connection.write(Buffer.concat([u32(fixedNewstyle), encodeOption(unknownOption)]));
      const { final } = await negotiation.replies(unknownOption);
      expect(isErrorReply(final.type), `an unknown option was answered by ${nameOfOptionReply(final.type)}`);
    },
  },
  {
    id: 'handshake.byte-at-a-time',
    title: 'Flags and options that come a byte at a time are put together',
    source: 'Newstyle negotiation',
    level: 'MUST',
    plain: true,
    run: async (client) => {
      const negotiation = await client.greet();
      const unknown = encodeOption(unknownOption, Buffer.from('data of an unknown option'));
      await negotiation.connection.writeSlowly(Buffer.concat([u32(fixedNewstyle), unknown, unknown]));
      for (let round = 0; round < 2; round++) {
        const { final } = await negotiation.replies(unknownOption);
        expect(isErrorReply(final.type), `an unknown option was answered by ${nameOfOptionReply(final.type)}`);
      }
    },
  },
  {
    id: 'handshake.early-disconnects',
    title: 'Clients that leave during the handshake do not disturb others',
    source: robustnessSource,
    level: 'MUST',
    plain: true,
    run: async (client, facts) => {
      (await client.connect()).close();
      (await client.connect()).reset();
      (await client.greet()).connection.close();
      (await client.greet()).connection.reset();
      const negotiation = await client.greet();
      await negotiation.connection.write(u32(fixedNewstyle).subarray(0, 2));
      negotiation.connection.close();
      (await client.negotiatePlain()).connection.reset();
      await client.stillServes(facts);
    },
  },
  {
    id: 'handshake.silent-client',
    title: 'Clients that say nothing, or stop in the middle of an option, do not hold up others',
    source: robustnessSource,
    level: 'MUST',
    plain: true,
    run: async (client, facts) => {
      await client.connect();
      await client.greet();
      const negotiation = await client.negotiatePlain();
      await negotiation.connection.write(encodeOption(option.list).subarray(0, 11));
      await client.stillServes(facts);
    },
  },
  {
    id: 'handshake.half-close',
    title: 'The connection ends when the client stops sending in the middle of an option',
    source: robustnessSource,
    level: 'SHOULD',
    plain: true,
    run: async (client) => {
      const negotiation = await client.negotiatePlain();
      await negotiation.connection.write(encodeOption(option.list).subarray(0, 11));
      negotiation.connection.halfClose();
      expect(await negotiation.connection.ends(), 'the server sent something');
    },
  },
];
