import test from 'ava';
import { AshlarError } from '@ashlar/core';
import { AddressRanges, checkCidr, isLoopback } from './index.ts';

test('an address is in a range of its family, mapped or not', (t) => {
  const ranges = new AddressRanges(['10.0.0.0/8', '192.168.1.7', 'fd00::/8']);
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '192.168.1.7', 'fd12::1']) t.true(ranges.has(address), address);
  for (const address of ['11.0.0.1', '192.168.1.8', 'fe80::1%eth0', 'unix', '']) t.false(ranges.has(address), address);
});

test('loopback is loopback in both families', (t) => {
  for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) t.true(isLoopback(address), address);
  for (const address of ['0.0.0.0', '10.0.0.1', '::']) t.false(isLoopback(address), address);
});

test('what is not a range is refused with one that is', (t) => {
  for (const text of ['', 'host', '10.0.0.0/', '10.0.0.0/33', '::/129', '10.0.0.0/8/8', '10.0.0/8']) {
    const error = t.throws(() => checkCidr(text), { instanceOf: AshlarError }, text);
    t.regex(error?.message ?? '', /10\.0\.0\.0\/8/);
  }
});
