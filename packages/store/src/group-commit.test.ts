import test, { type ExecutionContext } from 'ava';
import type { HostFile } from '@ashlar/host';
import { SimulatedMachine } from '@ashlar/testing';
import { BlockArena } from './block-arena.ts';
import { DataFiles } from './data-files.ts';
import { FilePlaces } from './file-places.ts';
import { GroupCommit } from './group-commit.ts';
import { Journal } from './journal.ts';
import { Scratch } from './scratch.ts';

const poolId = '00112233445566778899aabbccddeeff';

type Counts = {
  /** Syncs of segments that run at once. */
  syncs: { most: number; now: number };
  /** Turns that were waited for. */
  turns: number;
};

/** How long a sync takes, and how long it is from one look at the clock to the next. */
const syncMs = 4;
const lookMs = 0.05;

/** A group commit over a journal of a simulated machine, whose time is that of what it does. */
async function groupOf(t: ExecutionContext, trickleBytes: number): Promise<Counts & { readonly group: GroupCommit }> {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/journal');
  machine.makeDurableDirectory('/data');
  let running = true;
  void (async () => {
    while (running) await machine.step();
  })();
  const counts: Counts = { syncs: { most: 0, now: 0 }, turns: 0 };
  const { syncs } = counts;
  let nowMs = 0;
  const counted = (file: HostFile): HostFile => {
    const sync = file.sync.bind(file);
    file.sync = async () => {
      syncs.now += 1;
      syncs.most = Math.max(syncs.most, syncs.now);
      await sync();
      nowMs += syncMs;
      syncs.now -= 1;
    };
    return file;
  };
  const host = {
    ...machine.host,
    open: (...args: Parameters<typeof machine.host.open>) => counted(machine.host.open(...args)),
  };
  const start = { generation: 1, number: 0, segment: -1, offset: 0, previous: 0 };
  const room = { spares: () => true, takeBeside: (_bytes: number, work: () => Promise<void>) => work() };
  const journal = await Journal.open(host, '/journal', poolId, start, { journalBytes: 16 * 1024 * 1024, room });
  const data = new DataFiles(new FilePlaces(host, '/data', 256 * 1024), new Scratch(host), undefined);
  syncs.most = 0;
  const group = new GroupCommit({
    journal,
    data,
    arena: new BlockArena(host),
    scheduler: {
      after: (delayMs, task) => host.scheduler.after(delayMs, task),
      soon(task) {
        counts.turns += 1;
        setImmediate(task);
      },
    },
    clock: { wallMs: () => host.clock.wallMs(), monotonicMs: () => (nowMs += lookMs) },
    failed: () => undefined,
    trickleBytes,
    broken: undefined,
  });
  t.teardown(() => {
    running = false;
  });
  return Object.assign(counts, { group });
}

test('a sync that appends so much that another one is due is the only one that runs', async (t) => {
  const { group, syncs } = await groupOf(t, 4096);
  group.record(16, 0).truncate({ store: 1, sequence: 1 }, 1, 4096);
  void group.added();
  await group.sync();
  t.is(syncs.most, 1);
  group.record(16, 0).truncate({ store: 1, sequence: 2 }, 1, 8192);
  await group.added();
  await group.sync();
  t.is(syncs.most, 1);
});

test('flushes that come together cost one sync', async (t) => {
  const { group } = await groupOf(t, 1e9);
  group.record(16, 0).truncate({ store: 1, sequence: 1 }, 1, 4096);
  await group.added();
  await Promise.all(Array.from({ length: 50 }, () => group.sync()));
  t.is(group.syncs, 1);
});

test('a flush that comes while a sync runs waits for another one', async (t) => {
  const { group } = await groupOf(t, 1e9);
  const change = async (sequence: number): Promise<void> => {
    group.record(16, 0).truncate({ store: 1, sequence }, 1, 4096);
    await group.added();
  };
  await change(1);
  const first = group.sync();
  while (group.syncs === 0) await new Promise(setImmediate);
  await change(2);
  await group.sync();
  await first;
  t.is(group.syncs, 2);
});

/** So many clients that change something and wait for its sync, again and again; each takes a turn or a few from an answer to the next request. */
async function changing(group: GroupCommit, clients: number, rounds: number): Promise<void> {
  let sequence = 0;
  const client = async (index: number): Promise<void> => {
    for (let round = 0; round < rounds; round += 1) {
      for (let turns = index % 3; turns > 0; turns -= 1) await new Promise(setImmediate);
      sequence += 1;
      group.record(16, 0).truncate({ store: 1, sequence }, 1, 4096);
      await group.added();
      await group.sync();
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, index) => client(index)));
}

test('clients that ask again when they are answered share one sync and do not take turns in two', async (t) => {
  const { group } = await groupOf(t, 1e9);
  await changing(group, 16, 20);
  t.true(group.syncs <= 24, `${group.syncs} syncs`);
});

test('one that is alone waits for nobody', async (t) => {
  const counted = await groupOf(t, 1e9);
  await changing(counted.group, 1, 20);
  t.is(counted.group.syncs, 20);
  t.is(counted.turns, 20, 'each for its append');
});
