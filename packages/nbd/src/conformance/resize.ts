import { pattern } from './bytes.ts';
import type { Check } from './check.ts';
import { command, errno } from './constants.ts';
import { advertises, writable } from './needs.ts';
import { expect } from './outcome.ts';

const source = 'extension-resize: Request types';

/** By how much the export grows for a while; whole blocks of any server. */
const moreBytes = 2 ** 20;

/** The size is put back, also where something went wrong in between. */
export const resizeChecks: readonly Check[] = [
  {
    id: 'resize.larger',
    title: 'Behind NBD_CMD_RESIZE to a larger size requests up to it are served, and what is new reads as zeros',
    source,
    level: 'MUST',
    writes: true,
    needs: [advertises('resize'), writable],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const { size } = facts;
        await session.succeed({ type: command.resize, offset: size + moreBytes });
        try {
          const data = pattern(facts.unit, 191);
          await session.write(size, data);
          expect((await session.read(size, data.length)).equals(data), 'what is read behind the old size differs');
          const rest = await session.read(size + facts.unit, facts.unit);
          expect(rest.equals(Buffer.alloc(facts.unit)), 'what was never written behind the old size is not zeros');
        } finally {
          await session.succeed({ type: command.resize, offset: size });
        }
      }),
  },
  {
    id: 'resize.smaller',
    title: 'Behind NBD_CMD_RESIZE to a smaller size writes beyond it are refused by NBD_ENOSPC',
    source,
    level: 'MUST',
    writes: true,
    needs: [advertises('resize'), writable],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const { size } = facts;
        await session.succeed({ type: command.resize, offset: size + moreBytes });
        await session.succeed({ type: command.resize, offset: size });
        const beyond = { type: command.write, offset: size, payload: pattern(facts.unit, 192) };
        await session.refuse(beyond, errno.noSpace);
        await session.ping();
      }),
  },
];
