import { pattern } from './bytes.ts';
import type { Check } from './check.ts';
import { command, errno } from './constants.ts';
import { readOnly } from './needs.ts';
import { expect, within } from './outcome.ts';
import { hasScratch, scratchOffset } from './scratch.ts';
import type { Request } from './transmission.ts';

const length = 4096 * 16;

/** Requests that would change the export. */
const changes: readonly (readonly [string, Request])[] = [
  ['NBD_CMD_WRITE', { type: command.write, offset: scratchOffset, payload: pattern(length, 151) }],
  ['NBD_CMD_TRIM', { type: command.trim, offset: scratchOffset, length }],
  ['NBD_CMD_WRITE_ZEROES', { type: command.writeZeroes, offset: scratchOffset, length }],
];

/** Of an export that says it is read-only. They count as writing: a server that is wrong here would change it. */
export const readOnlyChecks: readonly Check[] = [
  {
    id: 'read-only.refused',
    title: 'A read-only export refuses writes, trims and zeroes, and stays as it is',
    source: 'Transmission flags',
    level: 'MUST',
    writes: true,
    needs: [readOnly, hasScratch],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        const before = await session.read(scratchOffset, length);
        for (const [name, request] of changes) {
          await within(name, async () => {
            const { error } = await session.call(request);
            expect(error !== 0, 'it succeeded');
            await session.ping();
          });
        }
        expect((await session.read(scratchOffset, length)).equals(before), 'the export changed');
      }),
  },
  {
    id: 'read-only.permission',
    title: 'It refuses them by NBD_EPERM',
    source: 'Error values',
    level: 'SHOULD',
    writes: true,
    needs: [readOnly, hasScratch],
    run: (client, facts) =>
      client.eachStyle(facts, async (session) => {
        for (const [name, request] of changes) await within(name, () => session.refuse(request, errno.permission));
      }),
  },
];
