import type { Check } from './check.ts';
import { command, errno, isErrorReply, nameOfOptionReply, option, optionReply } from './constants.ts';
import { structured } from './needs.ts';
import { expect, within } from './outcome.ts';

const { ack, errorInvalid } = optionReply;

export const structuredChecks: readonly Check[] = [
  {
    id: 'structured.offered',
    title: 'Structured replies are offered',
    source: 'Future considerations',
    level: 'MAY',
    run: async (client) => {
      const { final } = await (await client.negotiate()).ask(option.structuredReply);
      return final.type === ack ? undefined : `they are refused by ${nameOfOptionReply(final.type)}`;
    },
  },
  {
    id: 'structured.with-data',
    title: 'NBD_OPT_STRUCTURED_REPLY with data is refused by NBD_REP_ERR_INVALID',
    source: 'Option types',
    level: 'SHOULD',
    needs: [structured],
    run: async (client) => {
      const negotiation = await client.negotiate();
      await negotiation.expect(option.structuredReply, Buffer.from('data'), errorInvalid);
      await within('afterwards', async () => {
        // What was refused is not in effect.
        await (await client.enter(negotiation, 'simple')).ping();
      });
    },
  },
  {
    id: 'structured.twice',
    title: 'Asked for again, structured replies are granted again or refused by NBD_REP_ERR_INVALID',
    source: 'Fixed newstyle negotiation',
    level: 'MUST',
    needs: [structured],
    run: async (client) => {
      const negotiation = await client.negotiate();
      await negotiation.acknowledged(option.structuredReply);
      await negotiation.expect(option.structuredReply, undefined, ack, errorInvalid);
      await (await client.enter(negotiation, 'structured')).ping();
    },
  },
  {
    id: 'structured.not-asked-for',
    title: 'Without negotiation all replies are simple ones, errors too',
    source: 'Simple reply message',
    level: 'MUST',
    run: async (client, facts) => {
      const session = await client.open();
      await session.ping();
      await session.reject({ type: command.read, offset: facts.size, length: facts.unit });
      const next = await client.open();
      await next.reject({ type: 0x6fff });
    },
  },
  {
    id: 'structured.read',
    title: 'With structured replies each NBD_CMD_READ gets one, an early error too',
    source: 'Structured reply chunk message',
    level: 'MUST',
    needs: [structured],
    run: async (client, facts) => {
      const session = await client.open({ style: 'structured' });
      await session.ping();
      await session.reject({ type: command.read, offset: facts.size, length: facts.unit });
      const next = await client.open({ style: 'structured' });
      await next.reject({ type: command.read, length: facts.unit, flags: 0x8000 });
    },
  },
  {
    id: 'structured.errors',
    title: 'With structured replies errors of other commands are structured too',
    source: 'Structured reply chunk message',
    level: 'SHOULD',
    needs: [structured],
    run: async (client) => {
      const session = await client.open({ style: 'structured' });
      const reply = await session.refuse({ type: 0x6fff }, errno.invalid);
      expect(!reply.simple, 'an unknown command got a simple reply');
    },
  },
  {
    id: 'structured.error-once',
    title: 'No reply has more than one error without an offset',
    source: 'Structured reply types',
    level: 'SHOULD',
    needs: [structured],
    run: async (client, facts) => {
      const session = await client.open({ style: 'structured' });
      const reply = await session.call({ type: command.read, offset: facts.size, length: facts.unit });
      expect(reply.error !== 0, 'a read beyond the end succeeded');
      expect(reply.errors === 1, `the reply has ${reply.errors} error chunks`);
    },
  },
  {
    id: 'structured.refused-is-simple',
    title: 'A session whose other options were refused keeps its simple replies',
    source: 'Simple reply message',
    level: 'MUST',
    run: async (client) => {
      const negotiation = await client.negotiate();
      const { final } = await negotiation.ask(0x7fff_0002);
      expect(isErrorReply(final.type), 'an unknown option was accepted');
      await (await client.enter(negotiation, 'simple')).ping();
    },
  },
];
