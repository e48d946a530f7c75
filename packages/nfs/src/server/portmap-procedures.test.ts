import type { StreamPeer } from '@ashlar/core';
import { CallHead, XdrReader, XdrWriter, type XdrType } from '@ashlar/wire';
import test from 'ava';
import { binding, bindings, mapping, mappings, universalAddress } from '../codec/portmap.ts';
import { portmapProcedures, rpcbindProcedures, type Listening } from './portmap-procedures.ts';
import type { Procedures } from './programs.ts';

const listening: readonly Listening[] = [
  { program: 100_003, version: 3, protocol: 'tcp', port: 2049 },
  { program: 100_005, version: 1, protocol: 'tcp', port: 2049 },
  { program: 100_005, version: 3, protocol: 'tcp', port: 20_048 },
];
const portmap = portmapProcedures(() => listening);
const rpcbind = rpcbindProcedures(
  () => listening,
  () => 1_700_000_000_123,
);

async function ask<A>(
  procedures: Procedures,
  procedure: number,
  type: XdrType<A> | undefined,
  args?: A,
  peer: StreamPeer = { address: '127.0.0.1', port: 999 },
) {
  const writer = new XdrWriter();
  type?.write(writer, args as A);
  const reader = new XdrReader(Buffer.from(writer.bytes()));
  const call = { head: new CallHead(), reader, peer, record: Buffer.alloc(0) };
  const answer = await procedures(procedure, call, { peer, sys: undefined });
  if (answer?.kind !== 'results') return undefined;
  const results = new XdrWriter();
  answer.write(results);
  return new XdrReader(Buffer.from(results.bytes()));
}

test('a port is told of a program, by version or not', async (t) => {
  const port = async (program: number, version: number, protocol: number): Promise<number> =>
    (await ask(portmap, 3, mapping, { program, version, protocol, port: 0 }))!.u32();
  t.is(await port(100_003, 3, 6), 2049);
  t.is(await port(100_005, 3, 6), 20_048);
  t.is(await port(100_005, 2, 6), 2049);
  t.is(await port(100_003, 3, 17), 0);
  t.is(await port(100_021, 4, 6), 0);
});

test('all that listens is told, and nobody registers anything', async (t) => {
  const all = mappings.read((await ask(portmap, 4, undefined))!);
  t.deepEqual(all[0], { program: 100_003, version: 3, protocol: 6, port: 2049 });
  t.is(all.length, 3);
  t.false((await ask(portmap, 1, mapping, { program: 1, version: 1, protocol: 6, port: 1 }))!.bool());
  t.is(await ask(portmap, 5, undefined), undefined);
});

test('an address is told as rpcbind has it, of the kind that the client came by', async (t) => {
  const address = async (procedure: number, version: number, network: string, from?: StreamPeer, hint = '') => {
    const args = { program: 100_005, version, network, address: hint, owner: '' };
    return universalAddress.read((await ask(rpcbind, procedure, binding, args, from))!);
  };
  t.is(await address(3, 3, 'tcp'), '0.0.0.0.78.80');
  t.is(await address(3, 3, 'tcp6', { address: '::1', port: 1 }), '::.78.80');
  t.is(await address(3, 2, 'tcp'), '0.0.0.0.8.1');
  t.is(await address(9, 2, 'tcp'), '');
  t.is(await address(3, 3, 'udp'), '');
  const [first] = bindings.read((await ask(rpcbind, 4, undefined))!);
  t.deepEqual(first, { program: 100_003, version: 3, network: 'tcp', address: '0.0.0.0.8.1', owner: 'superuser' });
  t.is((await ask(rpcbind, 6, undefined))!.u32(), 1_700_000_000);
});

test('a client is told the address that it came to, or says it goes to', async (t) => {
  const address = async (peer: StreamPeer, hint: string): Promise<string> => {
    const args = { program: 100_003, version: 3, network: 'tcp', address: hint, owner: '' };
    return universalAddress.read((await ask(rpcbind, 3, binding, args, peer))!);
  };
  const peer = { address: '10.0.0.9', port: 999 };
  t.is(await address({ ...peer, local: '10.0.0.1' }, '10.0.0.2.0.111'), '10.0.0.1.8.1');
  t.is(await address({ address: '::ffff:10.0.0.9', port: 1, local: '::ffff:10.0.0.1' }, ''), '10.0.0.1.8.1');
  t.is(await address(peer, '10.0.0.2.0.111'), '10.0.0.2.8.1');
  t.is(await address(peer, 'nonsense'), '0.0.0.0.8.1');
});
