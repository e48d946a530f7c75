import { join } from 'node:path';
import { GiB, MiB, TiB } from '@ashlar/core';
import { openNbd } from '@ashlar/nbd';
import { testWithTools } from '@ashlar/testing';
import test from 'ava';
import { directory, qemuIo, serve, shell } from './served.ts';
import { sharedServer } from './shared.ts';

const testQemu = testWithTools(test, 'qemu-io', 'qemu-img');
const shared = sharedServer(test);

/** A volume of its own for a test, on the server that they share. */
async function volume(name: string, size: string): Promise<string> {
  return await (await shared()).volume(name, size);
}

type Run = { readonly start: number; readonly length: number; readonly data: boolean; readonly zero: boolean };

/** The runs of data that qemu sees. Room that is kept for zeroes is none. */
async function dataRuns(uri: string): Promise<{ start: number; length: number }[]> {
  const runs = JSON.parse(await shell(`qemu-img map -f raw --output=json ${uri}`)) as Run[];
  return runs.filter(({ data, zero }) => data && !zero).map(({ start, length }) => ({ start, length }));
}

testQemu('qemu-io reads back what it wrote, at odd offsets and of odd sizes', async (t) => {
  const uri = await volume('odd', '1T');
  const pieces = [
    [1, 1],
    [511, 3],
    [4095, 4098],
    [1_234_567, 98_765],
    [4 * GiB - 7, 13],
    [TiB - 4097, 4097],
    [700 * GiB + 1, 33 * MiB + 5],
  ] as const;
  await qemuIo(uri, ...pieces.map(([offset, length], index) => `write -P ${index + 1} ${offset} ${length}`));
  const reads = pieces.flatMap(([offset, length], index) => [
    `read -P ${index + 1} ${offset} ${length}`,
    `read -P 0 ${offset + length < TiB ? offset + length : 9000} 1`,
    ...(offset === 1 ? [] : [`read -P 0 ${offset - 1} 1`]),
  ]);
  await qemuIo(uri, ...reads);
  t.pass();
});

testQemu(
  'zeroes that a client writes as data are holes: those of qemu-io, and of qemu-img told to look for none',
  async (t) => {
    const folder = directory(t);
    const uri = await volume('full', '64M');
    await qemuIo(uri, 'write -P 5 0 24M', 'write -P 0 1M 2M', 'write -P 0 8M 4k', 'write -P 0 16383k 5k', 'flush');
    const expected = [
      { start: 0, length: MiB },
      { start: 3 * MiB, length: 5 * MiB },
      { start: 8 * MiB + 4096, length: 8 * MiB - 4096 },
      { start: 16 * MiB + 4096, length: 8 * MiB - 4096 },
    ];
    t.deepEqual(await dataRuns(uri), expected);
    const image = join(folder, 'full.raw');
    // All of it is written, zeroes too: what qemu-img reads from it says nothing of holes.
    await shell(`head -c 64M /dev/zero > ${image} && qemu-io -f raw -c 'write -P 7 5M 1M' ${image}`);
    await shell(`qemu-img convert -n -S 0 -f raw -O raw ${image} ${uri}`);
    t.deepEqual(await dataRuns(uri), [{ start: 5 * MiB, length: MiB }]);
    await shell(`qemu-img compare -f raw -F raw ${image} ${uri}`);
  },
);

testQemu('qemu-io is told of a pattern that is not there', async (t) => {
  const uri = await volume('pattern', '64M');
  const { message } = await t.throwsAsync(qemuIo(uri, 'write -P 1 0 8192', 'read -P 2 4096 4096'));
  t.regex(message, /Pattern verification failed at offset 4096, 4096 bytes/);
});

testQemu('qemu-io has many operations of many buffers in flight', async (t) => {
  const uri = await volume('flight', '1G');
  const offsets = Array.from({ length: 48 }, (_, index) => index * 20 * MiB + index * 513);
  const writes = offsets.map((offset, index) => `aio_write -P ${index + 1} ${offset} 65537 4099`);
  const vectors = offsets.map((offset, index) => `writev -P ${index + 101} ${offset + MiB} 512 1536 4096`);
  await qemuIo(uri, ...writes, 'aio_flush', ...vectors, 'flush');
  const reads = offsets.map((offset, index) => `aio_read -P ${index + 1} ${offset} ${index % 2 === 0 ? 65537 : 69636}`);
  const found = await qemuIo(
    uri,
    ...reads,
    'aio_flush',
    ...offsets.map((o, index) => `readv -P ${index + 101} ${o + MiB} 3072 3072`),
  );
  t.is([...found.matchAll(/^read \d+\/\d+ bytes/gm)].length, 96);
});

testQemu('writes past the end and to a read-only client are refused', async (t) => {
  const uri = await volume('end', '64M');
  await t.throwsAsync(qemuIo(uri, `write ${64 * MiB - 1} 2`), {
    message: /Input\/output error|Invalid argument|No space/,
  });
  await t.throwsAsync(shell(`qemu-io -r -f raw -c 'write 0 512' ${uri}`), { message: /not permitted|read-only/i });
  t.deepEqual(await dataRuns(uri), []);
});

testQemu('what was flushed or written with FUA is there after kill -9', async (t) => {
  const data = join(directory(t), 'data');
  const first = await serve(t, data, '1T');
  await qemuIo(first.uri, 'write -f -P 0x11 4097 70001', `write -z -f -u ${GiB} 1M`);
  await first.kill();
  const second = await serve(t, data, '1T');
  await qemuIo(
    second.uri,
    'read -P 0x11 4097 70001',
    `write -P 0x22 ${900 * GiB} 5M`,
    'write -P 0x33 10000 100',
    'flush',
  );
  await second.kill();
  const third = await serve(t, data, '1T');
  const kept = ['read -P 0x11 4097 5903', 'read -P 0x33 10000 100', 'read -P 0x11 10100 63998'];
  await qemuIo(third.uri, ...kept, `read -P 0x22 ${900 * GiB} 5M`, `read -P 0 ${GiB} 1M`);
  t.is((await dataRuns(third.uri)).at(-1)!.start, 900 * GiB);
});

const dataAround = [
  `write -P 0x5a ${MiB} 3M`,
  `write -P 0x5b ${5 * GiB} 2M`,
  `write -P 0x5c ${12 * GiB} 1M`,
  `write -P 0x5d ${999 * GiB} 1M`,
];

/** qemu-io takes at most 2 GiB a discard. */
function discards(offset: number, length: number): string[] {
  const most = 2 * GiB - MiB;
  const count = Math.ceil(length / most);
  return Array.from({ length: count }, (_, index) => {
    return `discard ${offset + index * most} ${Math.min(most, length - index * most)}`;
  });
}

testQemu('discards of more than 4 GiB leave holes, and what is beside them stays', async (t) => {
  const uri = await volume('discards', '1T');
  await qemuIo(uri, ...dataAround);
  await qemuIo(uri, ...discards(2 * MiB, 11 * GiB), 'flush');
  await qemuIo(uri, `read -P 0x5a ${MiB} 1M`, `read -P 0 ${2 * MiB} 2M`, `read -P 0 ${5 * GiB} 2M`);
  t.deepEqual(await dataRuns(uri), [
    { start: MiB, length: MiB },
    { start: 12 * GiB, length: MiB },
    { start: 999 * GiB, length: MiB },
  ]);
});

testQemu('zeroes of 64-bit lengths are written, with and without holes', async (t) => {
  const uri = await volume('zeroes', '1T');
  await qemuIo(uri, ...dataAround);
  await qemuIo(uri, `write -z -n ${3 * MiB} 9G`, `read -P 0x5a ${3 * MiB - 1} 1`, `read -P 0 ${5 * GiB} 2M`);
  await qemuIo(uri, `read -P 0x5c ${12 * GiB} 1M`, `write -z -u -n ${8 * GiB} 8G`, `read -P 0 ${12 * GiB} 1M`);
  t.deepEqual(await dataRuns(uri), [
    { start: MiB, length: 2 * MiB },
    { start: 999 * GiB, length: MiB },
  ]);
  // By both ends: a client without extended headers cuts a TiB into very many requests, which say no more.
  await qemuIo(uri, 'write -z -u -n 0 40G', 'write -z -u -n 990G 34G');
  t.deepEqual(await dataRuns(uri), []);
});

testQemu('zeroes are written at odd offsets and of odd sizes', async (t) => {
  const uri = await volume('odd-zeroes', '1G');
  await qemuIo(uri, `write -P 7 0 64M`, `write -z 5001 ${9 * MiB + 77}`, `write -z -u ${20 * MiB - 3} 7`);
  const end = 5001 + 9 * MiB + 77;
  await qemuIo(uri, 'read -P 7 0 5001', `read -P 0 5001 ${9 * MiB + 77}`, `read -P 7 ${end} ${20 * MiB - 3 - end}`);
  await qemuIo(uri, `read -P 0 ${20 * MiB - 3} 7`, `read -P 7 ${20 * MiB + 4} ${44 * MiB - 4}`);
  t.pass();
});

testQemu('one trim and one zero of more than 4 GiB each, with extended headers, are what qemu sees', async (t) => {
  const uri = await volume('trim', '1T');
  await qemuIo(uri, ...dataAround);
  const device = await openNbd(uri);
  t.teardown(() => device.close());
  await device.trim(2 * MiB, 11 * GiB, true);
  t.deepEqual(
    (await dataRuns(uri)).map(({ start }) => start),
    [MiB, 12 * GiB, 999 * GiB],
  );
  await device.zero(12 * GiB, TiB - 12 * GiB, 'may-trim', true);
  t.deepEqual(await dataRuns(uri), [{ start: MiB, length: MiB }]);
  await qemuIo(uri, `read -P 0x5a ${MiB} 1M`, `read -P 0 ${2 * MiB} 16M`, `read -P 0 ${999 * GiB} 1M`);
});

testQemu('a qemu that asks for extended headers gets them', async (t) => {
  const uri = await volume('extended', '1G');
  const trace = await shell(`qemu-io -T 'nbd_*option*' -f raw -c 'write -P 1 1 1' -c 'read -P 1 1 1' ${uri}`);
  const extended = /option request 11 /.test(trace);
  if (!extended) t.log('this qemu knows no extended headers (it does from 8.2 on): structured replies are checked');
  t.regex(trace, extended ? /option reply 11 .* type 1 \(ack\)/ : /option reply 8 .* type 1 \(ack\)/);
});
