import type { Check } from './check.ts';
import { handshakeFlag, maximumString, option, transmissionFlag } from './constants.ts';
import { refusesNames, structured } from './needs.ts';
import { ConnectionEnded, expect } from './outcome.ts';
import { unknownExport } from './probe.ts';

const source = 'Option types';
const styleFlags = transmissionFlag.df | transmissionFlag.blockStatusPayload;

export const exportNameChecks: readonly Check[] = [
  {
    id: 'export-name.enters-transmission',
    title: 'NBD_OPT_EXPORT_NAME takes the export, and requests follow',
    source: 'Maximum interoperability',
    level: 'SHOULD',
    run: async (client) => {
      const session = await client.enterByName(await client.negotiate(), 'simple');
      await session.ping();
    },
  },
  {
    id: 'export-name.zeroes',
    title: 'Without NO_ZEROES 124 bytes of zero follow',
    source: 'Newstyle negotiation',
    level: 'MUST',
    run: async (client) => {
      const session = await client.enterByName(await client.negotiate(handshakeFlag.fixedNewstyle), 'simple');
      await session.ping();
    },
  },
  {
    id: 'export-name.no-zeroes',
    title: 'With NO_ZEROES they do not',
    source: 'Handshake flags',
    level: 'MUST',
    needs: [
      ({ handshakeFlags }) =>
        (handshakeFlags & handshakeFlag.noZeroes) === 0 ? 'the server does not offer NBD_FLAG_NO_ZEROES' : undefined,
    ],
    run: async (client) => {
      const session = await client.enterByName(await client.negotiate(), 'simple');
      await session.ping();
      expect(session.connection.unread === 0, `${session.connection.unread} more bytes came`);
    },
  },
  {
    id: 'export-name.same-as-info',
    title: 'Size and flags are those of NBD_OPT_GO',
    source: 'Option reply types',
    level: 'MUST',
    run: async (client, facts) => {
      const { info } = await client.enterByName(await client.negotiate(), 'simple');
      expect(info.size === facts.size, `the size is ${info.size}, and ${facts.size} by NBD_OPT_GO`);
      const flags = facts.info.flags & ~styleFlags;
      expect(
        (info.flags & ~styleFlags) === flags,
        `the flags are 0x${info.flags.toString(16)}, and 0x${flags.toString(16)} by NBD_OPT_GO`,
      );
    },
  },
  {
    id: 'export-name.after-options',
    title: 'It can follow other options',
    source: 'Termination of the session during option haggling',
    level: 'MUST',
    run: async (client) => {
      const negotiation = await client.negotiate();
      await negotiation.ask(0x7fff_0001);
      await negotiation.ask(option.list);
      await negotiation.ask(option.info, client.infoData([]));
      await (await client.enterByName(negotiation, 'simple')).ping();
    },
  },
  {
    id: 'export-name.structured',
    title: 'Structured replies that were negotiated before it are in effect after it',
    source,
    level: 'MUST',
    needs: [structured],
    run: async (client) => {
      const negotiation = await client.negotiate();
      await negotiation.acknowledged(option.structuredReply);
      await (await client.enterByName(negotiation, 'structured')).ping();
    },
  },
  {
    id: 'export-name.unknown',
    title: 'The session is terminated at the name of an export that does not exist',
    source,
    level: 'MUST',
    needs: [refusesNames],
    run: async (client) => {
      const negotiation = await client.negotiate();
      await negotiation.send(option.exportName, Buffer.from(unknownExport));
      expect(await negotiation.connection.ends(), 'the server sent something');
    },
  },
  {
    id: 'export-name.too-long',
    title: 'The session is terminated at a name of more than 4096 bytes',
    source: 'Conventions',
    level: 'MUST',
    run: async (client, facts) => {
      for (const length of [maximumString + 1, 2 ** 20]) {
        const negotiation = await client.negotiate();
        await negotiation.send(option.exportName, Buffer.alloc(length, 'n'));
        expect(await negotiation.connection.ends(), `the server took a name of ${length} bytes`);
      }
      await client.stillServes(facts);
    },
  },
  {
    id: 'export-name.default',
    title: 'The empty name takes the default export or terminates the session',
    source,
    level: 'MUST',
    run: async (client) => {
      const negotiation = await client.negotiate();
      await negotiation.send(option.exportName);
      try {
        await negotiation.connection.read(10, 'the reply to NBD_OPT_EXPORT_NAME');
        return 'there is a default export';
      } catch (error) {
        if (!(error instanceof ConnectionEnded)) throw error;
        return 'there is no default export';
      }
    },
  },
];
