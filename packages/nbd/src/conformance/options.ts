import { pattern, u32, u64 } from './bytes.ts';
import { robustnessSource, type Check } from './check.ts';
import { isErrorReply, magic, nameOfOptionReply, option, optionReply } from './constants.ts';
import { encodeOption } from './negotiation.ts';
import { ConnectionEnded, expect, within } from './outcome.ts';

const { ack, errorInvalid, errorPolicy, errorUnsupported } = optionReply;
const unknownOption = 0x7fff_fff0;

export const optionChecks: readonly Check[] = [
  {
    id: 'option.unknown',
    title: 'An unknown option is answered by NBD_REP_ERR_UNSUP, and the next option is understood',
    source: 'Baseline',
    level: 'MUST',
    run: async (client) => {
      const negotiation = await client.negotiate();
      for (const number of [0, 12, 255, 0x1000, unknownOption, 0xffff_ffff]) {
        await negotiation.expect(number, undefined, errorUnsupported);
      }
    },
  },
  {
    id: 'option.unknown-with-data',
    title: "An unknown option's data is skipped",
    source: 'Newstyle negotiation',
    level: 'MUST',
    run: async (client) => {
      const negotiation = await client.negotiate();
      for (const length of [1, 7, 512, 4096]) {
        await negotiation.expect(unknownOption, pattern(length, length), errorUnsupported);
      }
      await (await client.enter(negotiation, 'simple')).ping();
    },
  },
  {
    id: 'option.withdrawn',
    title: 'The withdrawn NBD_OPT_PEEK_EXPORT is answered by an error',
    source: 'Option types',
    level: 'MUST',
    run: async (client) => {
      await (await client.negotiate()).expect(option.peekExport, undefined, errorUnsupported, errorPolicy);
    },
  },
  {
    id: 'option.unknown-large',
    title: 'An unknown option with 64 KiB of data is skipped',
    source: 'Newstyle negotiation',
    level: 'MAY',
    run: async (client, facts) => {
      const negotiation = await client.negotiate();
      try {
        await negotiation.expect(unknownOption, Buffer.alloc(2 ** 16), errorUnsupported, optionReply.errorTooBig);
        await negotiation.expect(unknownOption, undefined, errorUnsupported);
        return undefined;
      } catch (error) {
        if (!(error instanceof ConnectionEnded)) throw error;
        await client.stillServes(facts);
        return 'the server takes it for an attack and closes';
      }
    },
  },
  {
    id: 'option.endless',
    title: 'An option that announces 4 GiB of data costs the server nothing that others notice',
    source: robustnessSource,
    level: 'MUST',
    run: async (client, facts) => {
      for (const number of [unknownOption, option.list, option.info, option.setMetaContext, option.exportName]) {
        const negotiation = await client.negotiate();
        await negotiation.send(number, Buffer.alloc(100), 0xffff_ffff);
      }
      await client.stillServes(facts);
    },
  },
  {
    id: 'option.wrong-magic',
    title: 'An option with a wrong magic is not carried out',
    source: 'Newstyle negotiation',
    level: 'MUST',
    run: async (client, facts) => {
      for (const wrong of [magic.greeting, magic.option + 1n, 0n]) {
        const negotiation = await client.negotiate();
        await negotiation.connection.write(Buffer.concat([u64(wrong), u32(option.abort), u32(0)]));
        // Whether it closes or errors, or waits for more, is the server's choice: the close makes it choose.
        negotiation.connection.halfClose();
        try {
          const { final } = await negotiation.replies(option.abort);
          expect(isErrorReply(final.type), `it was answered by ${nameOfOptionReply(final.type)}`);
        } catch (error) {
          if (!(error instanceof ConnectionEnded)) throw error;
        }
      }
      await client.stillServes(facts);
    },
  },
  {
    id: 'option.wrong-magic-closes',
    title: 'An option with a wrong magic ends the connection',
    source: robustnessSource,
    level: 'SHOULD',
    run: async (client) => {
      const negotiation = await client.negotiate();
      await negotiation.connection.write(Buffer.concat([u64(0x1234_5678_9abc_def0n), u32(option.abort), u32(0)]));
      await negotiation.connection.drain(2 ** 16);
    },
  },
  {
    id: 'option.in-sequence',
    title: 'Options sent without waiting for replies are answered in their order',
    source: 'Fixed newstyle negotiation',
    level: 'MAY',
    run: async (client, facts) => {
      const negotiation = await client.negotiate();
      const numbers = [unknownOption, option.list, unknownOption + 1];
      await negotiation.connection.write(Buffer.concat(numbers.map((number) => encodeOption(number))));
      try {
        for (const number of numbers) await negotiation.replies(number);
        return undefined;
      } catch (error) {
        if (!(error instanceof ConnectionEnded)) throw error;
        await client.stillServes(facts);
        return 'the server ends the connection, as the client must wait';
      }
    },
  },
  {
    id: 'option.many-errors',
    title: 'Ten refused options in a row do not spoil the next one',
    source: 'Termination of the session during option haggling',
    level: 'MUST',
    run: async (client) => {
      const negotiation = await client.negotiate();
      for (let index = 0; index < 10; index++) {
        await negotiation.expect(unknownOption + index, undefined, errorUnsupported);
      }
      await (await client.enter(negotiation, 'simple')).ping();
    },
  },
  {
    id: 'abort.acknowledged',
    title: 'NBD_OPT_ABORT is acknowledged',
    source: 'Baseline',
    level: 'MUST',
    plain: true,
    run: async (client) => {
      await (await client.negotiatePlain()).acknowledged(option.abort);
    },
  },
  {
    id: 'abort.with-data',
    title: 'Data sent with NBD_OPT_ABORT is ignored',
    source: 'Option types',
    level: 'SHOULD',
    plain: true,
    run: async (client) => {
      await (await client.negotiatePlain()).acknowledged(option.abort, Buffer.from('farewell'));
    },
  },
  {
    id: 'abort.ends',
    title: 'The connection ends after NBD_OPT_ABORT and the client closing its side',
    source: 'Termination of the session during option haggling',
    level: 'SHOULD',
    plain: true,
    run: async (client) => {
      const negotiation = await client.negotiatePlain();
      await negotiation.acknowledged(option.abort);
      negotiation.connection.halfClose();
      expect(await negotiation.connection.ends(), 'the server sent something after the acknowledgement');
    },
  },
  {
    id: 'abort.unread',
    title: 'A client may send NBD_OPT_ABORT and close without waiting for the reply',
    source: 'Option types',
    level: 'SHOULD',
    plain: true,
    run: async (client, facts) => {
      for (let round = 0; round < 4; round++) {
        const negotiation = await client.negotiatePlain();
        await negotiation.send(option.abort);
        negotiation.connection.close();
      }
      await client.stillServes(facts);
    },
  },
  {
    id: 'list.answered',
    title: 'NBD_OPT_LIST is answered by exports and NBD_REP_ACK, or refused by policy',
    source: 'Baseline',
    level: 'MUST',
    run: async (client) => {
      const { final } = await (await client.negotiate()).expect(option.list, undefined, ack, errorPolicy);
      return final.type === ack ? undefined : 'the server keeps its exports to itself';
    },
  },
  {
    id: 'list.with-data',
    title: 'NBD_OPT_LIST with data is refused by NBD_REP_ERR_INVALID',
    source: 'Option types',
    level: 'SHOULD',
    run: async (client) => {
      const negotiation = await client.negotiate();
      await negotiation.expect(option.list, Buffer.from('data'), errorInvalid);
      await within('the next option', () => negotiation.expect(option.list, undefined, ack, errorPolicy));
    },
  },
  {
    id: 'list.repeatable',
    title: 'NBD_OPT_LIST asked twice is answered twice, and the session goes on',
    source: 'Fixed newstyle negotiation',
    level: 'MUST',
    run: async (client) => {
      const negotiation = await client.negotiate();
      await negotiation.expect(option.list, undefined, ack, errorPolicy);
      const { final } = await negotiation.expect(option.list, undefined, ack, errorPolicy, errorInvalid);
      await (await client.enter(negotiation, 'simple')).ping();
      return final.type === errorInvalid ? 'the second time is refused' : undefined;
    },
  },
];
