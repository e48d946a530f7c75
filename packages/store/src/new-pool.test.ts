import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AshlarError, MiB, type RecordStore } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { failsWith, SimulatedMachine } from '@ashlar/testing';
import test from 'ava';
import { PoolInspection } from './inspect/pool-inspection.ts';
import { openPool } from './pool.ts';

test('a pool that could not be made to its end is not there, and the next start makes it', async (t) => {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/pool');
  const options = { journalBytes: 10 * MiB, openRecords: () => machine.openRecords() };
  const commit = (): Promise<void> => Promise.reject(new AshlarError('io', 'this database has failed'));
  const openRecords = (): RecordStore => Object.assign(machine.openRecords(), { commit });
  const failing = openPool(machine.host, '/pool', { ...options, openRecords });
  await failsWith(t, 'io', () => machine.finish(failing));
  t.is(machine.host.stat('/pool/ashlar.pool'), undefined);
  const pool = await machine.finish(openPool(machine.host, '/pool', options));
  await machine.finish(pool.close());
  t.not(machine.host.stat('/pool/ashlar.pool'), undefined);
});

test('a pool whose database is gone with its log is refused, and not taken for an empty one', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'ashlar-pool-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  const host = createRealHost();
  const pool = await openPool(host, path, { journalBytes: 16 * MiB });
  await pool.createStore();
  await pool.close();
  rmSync(join(path, 'records'), { recursive: true });
  rmSync(join(path, 'record-log'), { recursive: true });
  await failsWith(t, 'corrupt', () => openPool(host, path));
  await failsWith(t, 'corrupt', async () => PoolInspection.open(host, path));
});
