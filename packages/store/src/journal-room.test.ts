import { SimulatedMachine } from '@ashlar/testing';
import test from 'ava';
import { FrameBuilder } from './format/journal-frame.ts';
import { Journal } from './journal.ts';

const start = { generation: 1, number: 0, segment: -1, offset: 0, previous: 0 };
const blocks = 250;

type Story = {
  readonly machine: SimulatedMachine;
  readonly journal: Journal;
  /** What it took beside the data, segment by segment. */
  readonly taken: readonly number[];
  /** Gives false where it is full. */
  readonly append: () => Promise<boolean>;
};

/** A journal on a host that has room beside what is promised to data, or has none. */
async function journalOf(spares: boolean): Promise<Story> {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/journal');
  const taken: number[] = [];
  const takeBeside = (bytes: number, work: () => Promise<void>): Promise<void> => {
    taken.push(bytes);
    return work();
  };
  const options = { journalBytes: 64 * 1024 * 1024, room: { spares: () => spares, takeBeside } };
  const poolId = '00112233445566778899aabbccddeeff';
  const journal = await machine.finish(Journal.open(machine.host, '/journal', poolId, start, options));
  const append = async (): Promise<boolean> => {
    const builder = new FrameBuilder();
    builder.data({ store: 1, sequence: 1 }, 1, 0, new Uint32Array(blocks));
    if (!journal.hasRoom(journal.bytesOf(builder))) return false;
    await machine.finish(Promise.resolve(journal.append(builder, [new Uint8Array(blocks * 4096)])));
    return true;
  };
  return { machine, journal, taken, append };
}

test('a journal takes no room that data was promised: it is full until a checkpoint frees some of it', async (t) => {
  const { machine, journal, taken, append } = await journalOf(false);
  t.is(taken.length, 4, 'those that must be there');
  while (await append()) t.true(journal.freeBytes >= 0);
  t.is(taken.length, 4);
  const waiting = journal.waitForRoom();
  journal.releaseBefore(journal.position);
  await machine.finish(waiting);
  t.true(await append());
  t.is(taken.length, 4);
});

test('a journal grows into room that nobody was promised', async (t) => {
  const { machine, journal, taken, append } = await journalOf(true);
  const before = journal.bytes;
  while (journal.bytes === before) if (!(await append())) await machine.finish(journal.waitForRoom());
  t.true(taken.length > 4);
});
