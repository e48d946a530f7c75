import { AshlarError, KiB, MiB } from '@ashlar/core';
import { SimulatedMachine } from '@ashlar/testing';
import test from 'ava';
import { Room } from './room.ts';

const reserveBytes = 128 * KiB;

function onMachine(): { machine: SimulatedMachine; room: Room } {
  const machine = new SimulatedMachine(1);
  machine.makeDurableDirectory('/pool');
  machine.setRoom(MiB);
  const reserve = machine.host.open('/pool/reserve', { create: true });
  // As a loss of power may leave it: its size, and nothing of its room.
  reserve.truncate(reserveBytes);
  return { machine, room: new Room(machine.host, '/pool', reserve, reserveBytes) };
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
  const room = new Room(machine.host, '/pool', reserve, reserveBytes);
  room.shrink();
  t.throws(() => room.promise(4 * KiB), { message: /full/ });
  t.true(await machine.finish(room.restore()));
  t.notThrows(() => room.promise(4 * KiB));
});
