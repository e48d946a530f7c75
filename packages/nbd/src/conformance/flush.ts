import { pattern } from './bytes.ts';
import type { Check } from './check.ts';
import { command, commandFlag, errno } from './constants.ts';
import { advertises, writable } from './needs.ts';
import { expect } from './outcome.ts';
import { hasScratch, scratchOffset } from './scratch.ts';

const source = 'Request types';

export const flushChecks: readonly Check[] = [
  {
    id: 'flush.succeeds',
    title: 'NBD_CMD_FLUSH succeeds',
    source,
    level: 'MUST',
    needs: [advertises('flush')],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        await session.succeed({ type: command.flush });
        await session.succeed({ type: command.flush });
      }),
  },
  {
    id: 'flush.after-writes',
    title: 'NBD_CMD_FLUSH after writes succeeds and keeps what was written',
    source: 'Ordering of messages and writes',
    level: 'MUST',
    writes: true,
    needs: [advertises('flush'), writable, hasScratch],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const data = pattern(64 * facts.unit, 101);
        await session.write(scratchOffset, data);
        await session.succeed({ type: command.flush });
        expect((await session.read(scratchOffset, data.length)).equals(data), 'what is read back differs');
      }),
  },
  {
    id: 'flush.fua',
    title: 'NBD_CMD_FLUSH takes NBD_CMD_FLAG_FUA',
    source: 'Command flags',
    level: 'MUST',
    needs: [advertises('flush'), advertises('fua')],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        await session.succeed({ type: command.flush, flags: commandFlag.fua });
      }),
  },
  {
    id: 'flush.unknown-flag',
    title: 'NBD_CMD_FLUSH with an unknown flag, or one of another command, is refused by NBD_EINVAL',
    source: 'Error values',
    level: 'SHOULD',
    needs: [advertises('flush')],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const { noHole, df, reqOne, fastZero } = commandFlag;
        for (const flags of [noHole, df, reqOne, fastZero, 0x40, 0x8000]) {
          await session.refuse({ type: command.flush, flags }, errno.invalid);
        }
      }),
  },
  {
    id: 'flush.reserved-fields',
    title: 'NBD_CMD_FLUSH with an offset and a length, which are reserved, does not end the connection',
    source,
    level: 'MAY',
    needs: [advertises('flush')],
    run: async (client, facts) => {
      const session = await client.open({ style: facts.bestStyle });
      const { error } = await session.call({ type: command.flush, offset: facts.unit, length: facts.unit });
      await session.ping();
      return error === 0 ? 'it succeeds' : `it fails with error ${error}`;
    },
  },
];
