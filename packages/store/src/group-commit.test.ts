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

/** A group commit over a journal of a simulated machine, with the syncs of its segments that run. */
async function groupOf(
  t: ExecutionContext,
  trickleBytes: number,
): Promise<{ group: GroupCommit; syncs: { most: number; now: number } }> {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/journal');
  machine.makeDurableDirectory('/data');
  let running = true;
  void (async () => {
    while (running) await machine.step();
  })();
  const syncs = { most: 0, now: 0 };
  const counted = (file: HostFile): HostFile => {
    const sync = file.sync.bind(file);
    file.sync = async () => {
      syncs.now += 1;
      syncs.most = Math.max(syncs.most, syncs.now);
      await sync();
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
    scheduler: host.scheduler,
    failed: () => undefined,
    trickleBytes,
    broken: undefined,
  });
  t.teardown(() => {
    running = false;
  });
  return { group, syncs };
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

test('flushes that wait cost one sync', async (t) => {
  const { group } = await groupOf(t, 1e9);
  group.record(16, 0).truncate({ store: 1, sequence: 1 }, 1, 4096);
  await group.added();
  await Promise.all(Array.from({ length: 50 }, () => group.sync()));
  t.true(group.syncs <= 2, `${group.syncs} syncs`);
});
