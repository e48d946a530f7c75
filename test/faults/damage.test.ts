import { openSync, readdirSync, readFileSync, readSync, truncateSync, writeSync, closeSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openNbd } from '@ashlar/nbd';
import test from 'ava';
import { directory, serve, type Test } from '../clients/served.ts';
import { madeOnce } from '../clients/shared.ts';
import { ashlar, statusOf } from './ashlar.ts';

const KiB = 1024;

function filled(length: number, byte: number): Uint8Array {
  return new Uint8Array(length).fill(byte);
}

/** Where a file holds so many of a byte, in whole blocks of 4 KiB. */
function placeOf(path: string, byte: number): number {
  const file = openSync(path, 'r');
  const block = new Uint8Array(4096);
  try {
    for (let at = 0; at < statSync(path).size; at += 4096) {
      readSync(file, block, 0, 4096, at);
      if (block.every((found) => found === byte)) return at;
    }
  } finally {
    closeSync(file);
  }
  return -1;
}

function flipByte(path: string, offset: number): void {
  const file = openSync(path, 'r+');
  const byte = new Uint8Array(1);
  readSync(file, byte, 0, 1, offset);
  writeSync(file, Uint8Array.of(byte[0]! ^ 0x10), 0, 1, offset);
  closeSync(file);
}

test('a flipped byte of a data file is an error and a count, never wrong data; what is beside it is read', async (t) => {
  const data = join(directory(t), 'data');
  const first = await serve(t, data, '64M');
  const writer = await openNbd(first.uri, { reconnectMs: 0 });
  await writer.write(0, filled(256 * KiB, 0x51), false);
  await writer.write(8 * 1024 * KiB, filled(4 * KiB, 0x52), true);
  await writer.close();
  await first.stop();
  const file = join(data, 'pool/data/000000');
  flipByte(file, placeOf(file, 0x51) + 5 * 4 * KiB + 77);

  const check = await ashlar('check', '--data', data, '--json');
  t.is(check.status, 1);
  const { ok, volumes } = JSON.parse(check.out) as { ok: boolean; volumes: { damage: unknown }[] };
  t.false(ok);
  t.deepEqual(volumes[0]?.damage, [{ offset: 20 * KiB, length: 4 * KiB }]);

  const second = await serve(t, data, '64M');
  const reader = await openNbd(second.uri, { reconnectMs: 0 });
  const into = new Uint8Array(4 * KiB);
  await t.throwsAsync(async () => reader.read(20 * KiB, into), { message: /does not match|input\/output|EIO/i });
  t.is((await statusOf(data)).pool.corruptBlocks, 1);
  for (const offset of [16 * KiB, 24 * KiB]) {
    await reader.read(offset, into);
    t.deepEqual(into, filled(4 * KiB, 0x51));
  }
  await reader.read(8 * 1024 * KiB, into);
  t.deepEqual(into, filled(4 * KiB, 0x52));

  await reader.write(20 * KiB, filled(4 * KiB, 0x53), true);
  await reader.read(20 * KiB, into);
  t.deepEqual(into, filled(4 * KiB, 0x53), 'writing the block again mends it');
  await reader.close();
});

/** Writes that a killed server has only in its journal. */
const killed = madeOnce(test, async (cwd, file) => {
  const server = await serve(file, join(cwd, 'data'), '64M');
  const writer = await openNbd(server.uri, { reconnectMs: 0 });
  for (let block = 0; block < 8; block += 1) {
    await writer.write(block * 4 * KiB, filled(4 * KiB, 0x60 + block), true);
  }
  await server.kill();
  await writer.close();
});

/** A copy of what that server left: its data directory, and the segments of its journal. */
async function journaled(t: Test): Promise<{ data: string; segments: string[] }> {
  const data = join(await killed(t), 'data');
  const journal = join(data, 'pool/journal');
  return { data, segments: readdirSync(journal).map((name) => join(journal, name)) };
}

test('a flipped byte in the journal is told: the block it belongs to is an error, the others are there', async (t) => {
  const { data, segments } = await journaled(t);
  const segment = segments.find((path) => placeOf(path, 0x62) >= 0)!;
  flipByte(segment, placeOf(segment, 0x62) + 100);

  const server = await serve(t, data, '64M');
  const reader = await openNbd(server.uri, { reconnectMs: 0 });
  const into = new Uint8Array(4 * KiB);
  for (let block = 0; block < 8; block += 1) {
    if (block === 2) await t.throwsAsync(async () => reader.read(block * 4 * KiB, into));
    else {
      await reader.read(block * 4 * KiB, into);
      t.deepEqual(into, filled(4 * KiB, 0x60 + block));
    }
  }
  t.true((await statusOf(data)).pool.corruptBlocks > 0);
  await reader.close();
});

test('a damaged head in the journal is known from the next one: nothing is lost, and it is counted', async (t) => {
  const { data, segments } = await journaled(t);
  const segment = segments.find((path) => placeOf(path, 0x62) >= 0)!;
  flipByte(segment, placeOf(segment, 0x62) - 4 * KiB + 100);

  const server = await serve(t, data, '64M');
  const reader = await openNbd(server.uri, { reconnectMs: 0 });
  const into = new Uint8Array(4 * KiB);
  for (let block = 0; block < 8; block += 1) {
    await reader.read(block * 4 * KiB, into);
    t.deepEqual(into, filled(4 * KiB, 0x60 + block));
  }
  const { pool } = await statusOf(data);
  t.is(pool.state, 'ok');
  t.is(pool.corruptBlocks, 1);
  await reader.close();
});

test('two damaged heads in a row are told: the pool is degraded, and the volume is held until it is accepted', async (t) => {
  const { data, segments } = await journaled(t);
  for (const byte of [0x62, 0x63]) {
    const segment = segments.find((path) => placeOf(path, byte) >= 0)!;
    flipByte(segment, placeOf(segment, byte) - 4 * KiB + 100);
  }

  const server = await serve(t, data, '64M');
  const { pool } = await statusOf(data);
  t.is(pool.state, 'degraded');
  t.regex(pool.reason ?? '', /promised are gone.*held/);
  await t.throwsAsync(() => openNbd(server.uri, { reconnectMs: 0 }), { message: /held.*flushed may be missing/ });
  t.is((await ashlar('volume', 'accept', 'demo', '--data', data)).status, 0);
  const reader = await openNbd(server.uri, { reconnectMs: 0 });
  const into = new Uint8Array(4 * KiB);
  for (let block = 0; block < 8; block += 1) {
    await reader.read(block * 4 * KiB, into);
    t.deepEqual(into, filled(4 * KiB, block === 2 ? 0 : 0x60 + block));
  }
  await reader.close();
});

test('a journal that was cut off is recovered up to the cut, the status says so, and nothing false is read', async (t) => {
  const { data, segments } = await journaled(t);
  const segment = segments.find((path) => placeOf(path, 0x64) >= 0)!;
  truncateSync(segment, placeOf(segment, 0x64));

  const server = await serve(t, data, '64M');
  t.is((await ashlar('volume', 'accept', 'demo', '--data', data)).status, 0);
  const reader = await openNbd(server.uri, { reconnectMs: 0 });
  const into = new Uint8Array(4 * KiB);
  for (let block = 0; block < 8; block += 1) {
    const found = await Promise.resolve(reader.read(block * 4 * KiB, into)).then(
      () => into[0]!,
      () => 'error' as const,
    );
    t.true(found === 'error' || found === 0 || found === 0x60 + block, `block ${block} reads as ${found}`);
    if (block < 4) t.is(found, 0x60 + block);
  }
  const { pool } = await statusOf(data);
  t.is(pool.state, 'degraded');
  t.regex(pool.reason ?? '', /journal/);
  await reader.close();
});

test('a pool whose identity is damaged is not opened, and says so in a sentence', async (t) => {
  const data = join(directory(t), 'data');
  const server = await serve(t, data, '64M');
  await server.stop();
  const identity = join(data, 'pool/ashlar.pool');
  t.is(readFileSync(identity).length, 4096);
  flipByte(identity, 20);
  const { status, err } = await ashlar('serve', '--data', data, '--port', '0', '--admin-port', '0', '--run', 'true');
  t.is(status, 1);
  t.regex(err, /ashlar\.pool/);
  t.notRegex(err, /\n\s+at /, 'no stack');
});
