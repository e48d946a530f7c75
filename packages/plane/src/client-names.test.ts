import { ManualTime } from '@ashlar/testing';
import test from 'ava';
import { ClientNames, type NameResolver } from './client-names.ts';

const addresses: Readonly<Record<string, readonly string[]>> = {
  'vm1.example': ['10.0.0.1'],
  'bank.example': ['10.9.9.9'],
  alias: ['::ffff:10.0.0.1'],
};
const names: Readonly<Record<string, readonly string[]>> = { '10.0.0.1': ['vm1.example', 'bank.example'] };

function looking(hosts: string[], change: Partial<NameResolver> = {}) {
  const time = new ManualTime();
  const asked: string[] = [];
  const resolver: NameResolver = {
    namesOf: async (address) => {
      asked.push(address);
      return names[address] ?? Promise.reject(new Error('no name'));
    },
    addressesOf: async (name) => addresses[name] ?? Promise.reject(new Error('no address')),
    ...change,
  };
  const found = new ClientNames({ resolver, hosts: () => hosts, clock: time, scheduler: time });
  return { found, time, asked };
}

test('an address has the names that lead to it: not those that only it says, and those of hosts that are asked for', async (t) => {
  const { found } = looking(['alias', 'unknown']);
  t.is(found.of('10.0.0.1'), undefined);
  await found.ready('10.0.0.1');
  t.deepEqual(found.of('10.0.0.1'), ['vm1.example', 'alias']);
  t.is(found.ready('10.0.0.1'), undefined);
  await found.ready('10.0.0.2');
  t.deepEqual(found.of('10.0.0.2'), []);
  t.deepEqual(found.of('unix'), []);
});

test('names are asked for once, and again when they are old, while the old ones are used', async (t) => {
  const { asked, found, time } = looking([]);
  await Promise.all([found.ready('10.0.0.1'), found.ready('10.0.0.1')]);
  t.deepEqual(found.of('10.0.0.1'), ['vm1.example']);
  t.is(asked.length, 1);
  await time.advance(10 * 60_000);
  t.deepEqual(found.of('10.0.0.1'), ['vm1.example']);
  t.is(asked.length, 2);
});

test('who waits for a resolver that is silent is taken for nobody after a while', async (t) => {
  const { found, time } = looking([], { namesOf: () => new Promise(() => undefined) });
  const ready = found.ready('10.0.0.1');
  await time.advance(6000);
  await ready;
  t.deepEqual(found.of('10.0.0.1'), []);
});

test('other hosts that something is exported to are other names', async (t) => {
  const hosts: string[] = [];
  const { found } = looking(hosts);
  await found.ready('10.0.0.1');
  hosts.push('alias');
  found.exported();
  t.is(found.of('10.0.0.1'), undefined);
  await found.ready('10.0.0.1');
  t.deepEqual(found.of('10.0.0.1'), ['vm1.example', 'alias']);
  found.exported();
  t.not(found.of('10.0.0.1'), undefined);
});
