import { AshlarError } from '@ashlar/core';
import { ManualTime } from '@ashlar/testing';
import test from 'ava';
import { lockStatus, type NlmLock } from '../codec/nlm.ts';
import { HandleCodec } from '../server/handle-codec.ts';
import type { NfsExport, NfsExports } from '../server/exports.ts';
import { LockService } from './lock-service.ts';

const handles = new HandleCodec(Buffer.alloc(16, 1));
const handle = handles.encode(7n, Buffer.from('file'));
const vm = { address: '10.0.0.1', port: 700 };
const other = { address: '10.0.0.2', port: 700 };
const exported = { path: '/data', fileSystem: 7n } as NfsExport;
const readable = { path: '/data-ro', fileSystem: 9n, treeNumber: 7n } as NfsExport;
const exports: NfsExports = {
  list: () => [],
  mount: () => ({ exported, below: [] }),
  find(fileSystem) {
    if (fileSystem === 7n) return exported;
    if (fileSystem === 9n) return readable;
    throw new AshlarError('stale', 'it is gone');
  },
};

const lockOf = (process: number, offset = 0n, length = 0n, of: Uint8Array = handle): NlmLock => ({
  caller: 'vm',
  handle: of,
  owner: Buffer.from(`${process}@vm`),
  process,
  offset,
  length,
});
const exclusive = { blocks: false, isExclusive: true, isMonitored: true, isReclaimed: false };

type Granted = { readonly client: string; readonly process: number };

function service(answer: (granted: Granted) => Promise<boolean> = async () => true) {
  const time = new ManualTime();
  const granted: Granted[] = [];
  const clients = new Set<string>();
  const locks = new LockService({
    service: { exports, handles },
    clock: time,
    scheduler: time,
    clients: {
      add: async (address) => void clients.add(address),
      remove: async (address) => void clients.delete(address),
    },
    tell: async (client, { handle: of, owner, process }) => {
      if (!Buffer.from(of).equals(handle)) throw new AshlarError('invalid', 'it is of another file');
      granted.push({ client, process: Number(Buffer.from(owner).toString().split('@')[0]) });
      return answer({ client, process });
    },
  });
  return { locks, granted, clients, time };
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

test('a lock holds in every export of its tree', async (t) => {
  const { locks } = service();
  t.is(await locks.lock(vm, lockOf(1), exclusive), lockStatus.granted);
  const same = lockOf(2, 0n, 0n, handles.encode(9n, Buffer.from('file')));
  t.is(await locks.lock(other, same, exclusive), lockStatus.denied);
});

test('who asks for a lock that is not free is told of it when it is', async (t) => {
  const { clients, granted, locks } = service();
  t.is(await locks.lock(vm, lockOf(1), exclusive), lockStatus.granted);
  t.deepEqual([...clients], ['10.0.0.1']);
  t.is(await locks.lock(other, lockOf(1), exclusive), lockStatus.denied, 'another machine of the same name');
  t.is(await locks.lock(other, lockOf(2), { ...exclusive, blocks: true }), lockStatus.blocked);
  const again = { ...lockOf(2), handle: Uint8Array.from(handle) };
  t.is(await locks.lock(other, again, { ...exclusive, blocks: true }), lockStatus.blocked, 'it asks again');
  // What it was read from is used for another call.
  again.handle.fill(0);
  again.owner.fill(0);
  const { holder, status } = locks.test(other, lockOf(2, 5n, 10n), true);
  t.is(status, lockStatus.denied);
  t.like(holder, { process: 1, isExclusive: true, offset: 0n, length: 0n });
  t.is(locks.unlock(vm, lockOf(1)), lockStatus.granted);
  await turns();
  t.deepEqual(granted, [{ client: '10.0.0.2', process: 2 }]);
  t.is(locks.test(vm, lockOf(1), false).status, lockStatus.denied);
  t.like(locks.all()[0], { client: '10.0.0.2 vm', path: '/data', from: 0, to: Infinity, isExclusive: true });
  t.is(locks.unlock(other, lockOf(2)), lockStatus.granted);
  t.deepEqual(locks.all(), []);
});

test('a lock of whoever does not want it any more, or cannot be told, is free', async (t) => {
  const { granted, locks, time } = service(async ({ process }) => {
    if (process === 2) return false;
    throw new AshlarError('timeout', 'nobody answers');
  });
  await locks.lock(vm, lockOf(1), exclusive);
  for (const process of [2, 3]) await locks.lock(other, lockOf(process), { ...exclusive, blocks: true });
  locks.unlock(vm, lockOf(1));
  await turns();
  t.deepEqual(
    granted.map(({ process }) => process),
    [2, 3],
  );
  for (let telling = 0; telling < 10; telling += 1) {
    await time.advance(10_000);
    await turns();
  }
  t.is(granted.length, 7);
  t.deepEqual(locks.all(), []);
});

test('what is waited for is waited for no more when that is said', async (t) => {
  const { granted, locks } = service();
  await locks.lock(vm, lockOf(1), exclusive);
  await locks.lock(other, lockOf(2), { ...exclusive, blocks: true });
  t.is(locks.cancel(other, lockOf(2), true), lockStatus.granted);
  t.is(locks.cancel(other, lockOf(2), true), lockStatus.denied);
  locks.unlock(vm, lockOf(1));
  await turns();
  t.deepEqual(granted, []);
});

test('behind a restart locks are given to those who had them, and to others later', async (t) => {
  const { locks, time } = service();
  locks.beginGrace();
  t.is(await locks.lock(vm, lockOf(1), exclusive), lockStatus.gracePeriod);
  t.is(locks.test(vm, lockOf(1), true).status, lockStatus.gracePeriod);
  t.is(await locks.lock(vm, lockOf(1), { ...exclusive, isReclaimed: true }), lockStatus.granted);
  t.is(await locks.lock(other, lockOf(1), { ...exclusive, isReclaimed: true }), lockStatus.denied);
  await time.advance(45_001);
  t.is(await locks.lock(other, lockOf(1), exclusive), lockStatus.denied);
  t.is(await locks.lock(other, lockOf(1), { ...exclusive, isReclaimed: true }), lockStatus.denied, 'it comes too late');
});

test('a machine that was restarted has no locks, and no other one loses any', async (t) => {
  const { clients, locks } = service();
  await locks.lock(vm, lockOf(1, 0n, 10n), exclusive);
  await locks.lock(other, lockOf(1, 10n, 10n), exclusive);
  locks.share(vm, { access: 1, caller: 'vm', denied: 3, handle, owner: Buffer.of(1) }, true, false);
  await locks.restarted({ address: '::ffff:10.0.0.1', port: 800 });
  t.deepEqual(
    locks.all().map(({ client }) => client),
    ['10.0.0.2 vm'],
  );
  t.deepEqual([...clients], ['10.0.0.2']);
  locks.freeAll(other, 'vm');
  t.deepEqual(locks.all(), []);
});

test('files that are gone, handles that are none and ranges that cannot be are told so', async (t) => {
  const { locks } = service();
  t.is(await locks.lock(vm, lockOf(1, 0n, 0n, Buffer.alloc(32)), exclusive), lockStatus.stale);
  t.is(await locks.lock(vm, lockOf(1, 0n, 0n, handles.encode(8n, Buffer.of(1))), exclusive), lockStatus.stale);
  t.is(await locks.lock(vm, lockOf(1, 2n ** 63n), exclusive), lockStatus.tooBig);
  t.is(await locks.lock(vm, lockOf(1, 5n, 2n ** 63n), exclusive), lockStatus.granted);
  t.is(locks.all()[0]?.to, Infinity);
});

test('ranges are exact up to the last byte that any file may have', async (t) => {
  const { locks } = service();
  const last = 2n ** 63n - 1n;
  t.is(await locks.lock(vm, lockOf(1, last - 1n, 1n), exclusive), lockStatus.granted);
  t.is(await locks.lock(other, lockOf(1, last, 1n), exclusive), lockStatus.granted);
  t.is(await locks.lock(other, lockOf(1, last - 1n, 1n), exclusive), lockStatus.denied);
  const { holder } = locks.test(other, lockOf(2, last - 5n, 5n), true);
  t.is(holder!.offset, last - 1n);
  t.is(holder!.length, 1n);
  t.is(locks.test(vm, lockOf(2, last), true).holder!.length, 0n, 'the last byte is all that there is from there on');
  t.is(locks.unlock(other, lockOf(1, last, 0n)), lockStatus.granted);
  t.is(locks.test(vm, lockOf(2, last), true).status, lockStatus.granted);
});

test('shares keep others out as they say', (t) => {
  const { locks } = service();
  const share = (owner: number, access: number, denied: number) => ({
    access,
    caller: 'vm',
    denied,
    handle,
    owner: Buffer.of(owner),
  });
  t.is(locks.share(vm, share(1, 1, 2), true, false), lockStatus.granted);
  t.is(locks.share(other, share(1, 1, 0), true, false), lockStatus.granted);
  t.is(locks.share(other, share(2, 2, 0), true, false), lockStatus.denied);
  t.is(locks.share(vm, share(1, 1, 2), false, false), lockStatus.granted);
  t.is(locks.share(other, share(2, 2, 0), true, false), lockStatus.granted);
});
