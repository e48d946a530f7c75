import { AshlarError, KiB, MiB } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import { SimulatedMachine } from '@ashlar/testing';
import test from 'ava';
import { Reservation } from './reservation.ts';
import { Room } from './room.ts';

const store = new Reservation(() => 0);

const reserveBytes = 128 * KiB;

function roomOf({ host }: SimulatedMachine, reserve: HostFile, usedBytes = () => 0): Room {
  const freeBytes = (): number => host.freeBytes('/pool');
  return new Room({
    host,
    path: '/pool',
    reserve,
    reserveBytes,
    usedBytes,
    freeBytes,
    isApart: false,
    broken: undefined,
  });
}

function onMachine(): { machine: SimulatedMachine; room: Room } {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/pool');
  machine.setRoom(MiB);
  const reserve = machine.host.open('/pool/reserve', { create: true });
  // As a loss of power may leave it: its size, and nothing of its room.
  reserve.truncate(reserveBytes);
  return { machine, room: roomOf(machine, reserve) };
}

test('a reserve of which only the size is there is asked for again', async (t) => {
  const { machine, room } = onMachine();
  const before = machine.host.freeBytes('/pool');
  t.true(await machine.finish(room.restore()));
  t.is(machine.host.freeBytes('/pool'), before - reserveBytes);
  room.shrink();
  t.true(room.isShrunk);
  t.is(machine.host.freeBytes('/pool'), before);
  t.true(await machine.finish(room.restore()));
  t.false(room.isShrunk);
  t.is(machine.host.freeBytes('/pool'), before - reserveBytes);
});

test('a file system that cannot reserve takes new blocks again when there is room for them', async (t) => {
  const { machine } = onMachine();
  const reserve = machine.host.open('/pool/reserve', {});
  reserve.allocate = () => {
    throw new AshlarError('unsupported', 'no room can be set aside');
  };
  const room = roomOf(machine, reserve);
  room.shrink();
  t.throws(() => room.promise(4 * KiB, store), { message: /full/ });
  t.true(await machine.finish(room.restore()));
  t.notThrows(() => room.promise(4 * KiB, store));
});

test('a capacity bounds what data takes, and a disk that has less does', (t) => {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/pool');
  machine.setRoom(MiB);
  let used = 200 * KiB;
  const room = roomOf(machine, machine.host.open('/pool/reserve', { create: true }), () => used);
  t.is(room.bounds.capacityBytes, 200 * KiB + machine.host.freeBytes('/pool'));
  room.capacityBytes = 300 * KiB;
  t.deepEqual(room.bounds, { usedBytes: 200 * KiB, capacityBytes: 300 * KiB });
  t.is(room.freeBytes, 100 * KiB);
  t.throws(() => room.promise(101 * KiB, store), { message: /takes 200 KiB of its capacity of 300 KiB/ });
  used = 0;
  room.capacityBytes = 100 * MiB;
  t.is(room.freeBytes, machine.host.freeBytes('/pool'));
});

test('what is kept for one store is let to no other, and to that one until it has as much', (t) => {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/pool');
  let used = 0;
  let own = 0;
  const room = roomOf(machine, machine.host.open('/pool/reserve', { create: true }), () => used);
  room.capacityBytes = MiB;
  const kept = new Reservation(() => own);
  room.reserve(kept, 400 * KiB);
  // Besides, for the maps of the file system.
  const maps = 3200;
  t.is(room.availableBytes, 624 * KiB - maps);
  t.throws(() => room.promise(624 * KiB, store), { message: /what is free, 1 MiB, is reserved for other volumes/ });
  room.promise(620 * KiB, store);
  t.throws(() => room.promise(4 * KiB, store), { message: /reserved/ });
  room.promise(300 * KiB, kept);
  t.is(room.keptBytes, 100 * KiB);
  t.throws(() => room.promise(105 * KiB, kept), { message: /full/ });
  room.recorded(300 * KiB, kept);
  room.recorded(620 * KiB, store);
  room.take();
  // 100 KiB of the 300 went over what the store had.
  [used, own] = [820 * KiB, 200 * KiB];
  room.settle();
  t.is(room.keptBytes, 200 * KiB);
  t.is(room.availableBytes, 4 * KiB - maps);
  own = 0;
  room.share(kept);
  t.is(room.keptBytes, 400 * KiB);
  room.reserve(kept, 0);
  t.is(room.availableBytes, 204 * KiB);
});

test('what was promised before a snapshot does not count as the own of the store behind it', (t) => {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/pool');
  let own = 0;
  const room = roomOf(machine, machine.host.open('/pool/reserve', { create: true }));
  room.capacityBytes = MiB;
  const kept = new Reservation(() => own);
  room.reserve(kept, 400 * KiB);
  room.promise(100 * KiB, kept);
  room.recorded(100 * KiB, kept);
  room.take();
  room.share(kept);
  room.promise(40 * KiB, kept);
  t.is(room.keptBytes, 360 * KiB);
  room.settle();
  t.is(room.keptBytes, 360 * KiB);
  room.recorded(40 * KiB, kept);
  room.take();
  own = 40 * KiB;
  room.settle();
  t.is(room.keptBytes, 360 * KiB);
});

test('what was given up may come back until the checkpoint that took it has given it to the host', (t) => {
  const { room } = onMachine();
  t.false(room.mayGrow);
  room.giveUp();
  t.true(room.mayGrow);
  room.take();
  t.true(room.mayGrow);
  room.settle();
  t.false(room.mayGrow);
});
