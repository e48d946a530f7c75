import { SimulatedMachine } from '@ashlar/testing';
import test, { type ExecutionContext } from 'ava';
import { FrameBuilder } from './format/journal-frame.ts';
import { Journal } from './journal.ts';

const start = { generation: 1, number: 0, segment: -1, offset: 0, previous: 0 };
const blocks = 250;

/** A journal on a host that has room beside what is promised to data where `spares` says so, and what it takes of it. `append` gives false where it is full. */
async function journalOf(
  t: ExecutionContext,
  spares: () => boolean,
): Promise<{ journal: Journal; taken: number[]; append: () => Promise<boolean> }> {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/journal');
  let running = true;
  void (async () => {
    while (running) await machine.step();
  })();
  t.teardown(() => {
    running = false;
  });
  const taken: number[] = [];
  const takeBeside = (bytes: number, work: () => Promise<void>): Promise<void> => {
    taken.push(bytes);
    return work();
  };
  const room = { spares, takeBeside };
  const journal = await Journal.open(machine.host, '/journal', '00112233445566778899aabbccddeeff', start, {
    journalBytes: 64 * 1024 * 1024,
    room,
  });
  const append = async (): Promise<boolean> => {
    const builder = new FrameBuilder();
    builder.data({ store: 1, sequence: 1 }, 1, 0, new Uint32Array(blocks));
    if (!journal.hasRoom(journal.bytesOf(builder))) return false;
    await journal.append(builder, [new Uint8Array(blocks * 4096)]);
    return true;
  };
  return { journal, taken, append };
}

test('a journal takes no room that data was promised: it is full until a checkpoint frees some of it', async (t) => {
  const { journal, taken, append } = await journalOf(t, () => false);
  t.is(taken.length, 4, 'those that must be there');
  while (await append()) t.true(journal.freeBytes >= 0);
  t.is(taken.length, 4);
  const waiting = journal.waitForRoom();
  journal.releaseBefore(journal.position);
  await waiting;
  t.true(await append());
  t.is(taken.length, 4);
});

test('a journal grows into room that nobody was promised', async (t) => {
  const { journal, taken, append } = await journalOf(t, () => true);
  const before = journal.bytes;
  while (journal.bytes === before) if (!(await append())) await journal.waitForRoom();
  t.true(taken.length > 4);
});
