import { AshlarError, FairQueue, type BlockDevice, type Extent, type Settled } from '@ashlar/core';
import { sessionMemory, streamPair, StreamReader } from '@ashlar/wire';
import test from 'ava';
import { command, commandFlag, errorCode, magic } from '../codec/constants.ts';
import { RequestHead } from '../codec/request.ts';
import { nativeCapabilities } from './native-capabilities.ts';
import type { Negotiated } from './negotiation.ts';
import { TransmissionSession } from './transmission.ts';

const MiB = 2 ** 20;

const no = (): never => {
  throw new AshlarError('unsupported', 'no server asks for this');
};

/** Bytes in memory; `hold` keeps flushes waiting until `letGo`. */
class HeldDevice implements BlockDevice {
  readonly blockSizes = { minimum: 1, preferred: 4096, maximum: 32 * MiB, atomic: 4096 };
  readonly capabilities = nativeCapabilities;
  readonly readOnly = false;
  readonly bytes = new Uint8Array(MiB);
  readonly sizeBytes = this.bytes.length;
  readonly waiting: (() => void)[] = [];
  hold = false;
  broken: AshlarError | undefined;

  read(offset: number, into: Uint8Array): void {
    if (this.broken !== undefined) throw this.broken;
    into.set(this.bytes.subarray(offset, offset + into.length));
  }

  write(offset: number, from: Uint8Array): void {
    this.bytes.set(from, offset);
  }

  trim(offset: number, length: number): void {
    this.bytes.fill(0, offset, offset + length);
  }

  zero(offset: number, length: number): void {
    this.bytes.fill(0, offset, offset + length);
  }

  flush(): Settled<void> {
    return this.hold ? new Promise<void>((resolve) => this.waiting.push(resolve)) : undefined;
  }

  letGo(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  extents(offset: number, length: number): readonly Extent[] {
    return [{ offset, length, state: 'data' }];
  }

  prefetch(): void {
    // All of it is in memory.
  }

  compareAndWrite = no;
  copyFrom = no;
  resize = no;

  close(): void {
    // Nothing is open.
  }
}

function serving(
  replies: Negotiated['replies'] = 'simple',
  readOnly = false,
  device = new HeldDevice(),
  resize?: BlockDevice['resize'],
) {
  const [client, server] = streamPair();
  const memory = sessionMemory();
  const end = Promise.withResolvers<Error | undefined>();
  const negotiated: Negotiated = {
    exportName: 'disk',
    replies,
    contexts: replies === 'simple' ? [] : [{ id: 1, source: { kind: 'allocation' } }],
  };
  const session = new TransmissionSession({
    stream: server,
    device,
    readOnly,
    negotiated,
    resize,
    memory,
    flow: new FairQueue().flow(),
    onEnd: (error) => end.resolve(error),
  });
  session.start();
  return { client, server, device, memory, session, ended: end.promise, reader: new StreamReader(client) };
}

type Fields = { readonly flags?: number; readonly offset?: number; readonly length?: number; readonly cookie?: number };

function request(type: number, fields: Fields = {}, payload = new Uint8Array(0), extended = false): Uint8Array {
  const head = new RequestHead();
  head.type = type;
  head.flags = fields.flags ?? 0;
  head.offset = fields.offset ?? 0;
  head.length = fields.length ?? payload.length;
  head.cookieLow = fields.cookie ?? 0;
  const bytes = new Uint8Array(32 + payload.length);
  const size = head.encode(new DataView(bytes.buffer), 0, extended);
  bytes.set(payload, size);
  return bytes.subarray(0, size + payload.length);
}

async function simpleReply(reader: StreamReader): Promise<{ errno: number; cookie: number }> {
  const bytes = await reader.read(16);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  if (view.getUint32(0) !== magic.simpleReply) throw new Error('not a simple reply');
  return { errno: view.getUint32(4), cookie: view.getUint32(12) };
}

const later = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a write that comes byte by byte is written whole', async (t) => {
  const { client, device, reader } = serving();
  for (const byte of request(command.write, { offset: 5, cookie: 9 }, Uint8Array.of(1, 2, 3))) {
    client.send(Uint8Array.of(byte));
    await later();
  }
  t.deepEqual(await simpleReply(reader), { errno: 0, cookie: 9 });
  t.deepEqual([...device.bytes.subarray(4, 9)], [0, 1, 2, 3, 0]);
});

test('the payload of a refused write is skipped, and the next request is answered', async (t) => {
  const { client, device, reader } = serving('simple', true);
  const refused = request(command.write, { cookie: 1 }, new Uint8Array(700_000).fill(7));
  client.send(Buffer.concat([refused, request(command.read, { length: 2, cookie: 2 })]));
  t.deepEqual(await simpleReply(reader), { errno: errorCode.EPERM, cookie: 1 });
  t.deepEqual(await simpleReply(reader), { errno: 0, cookie: 2 });
  t.deepEqual([...(await reader.read(2))], [0, 0]);
  t.is(device.bytes[0], 0);
});

test('a request that ends later is answered after one that came behind it', async (t) => {
  const { client, device, reader } = serving();
  device.hold = true;
  client.send(Buffer.concat([request(command.flush, { cookie: 1 }), request(command.trim, { length: 9, cookie: 2 })]));
  t.is((await simpleReply(reader)).cookie, 2);
  device.letGo();
  t.is((await simpleReply(reader)).cookie, 1);
});

test('an error of the device is the errno of its kind', async (t) => {
  const { client, device, reader } = serving();
  device.broken = new AshlarError('no-space', 'it is full');
  client.send(request(command.read, { length: 10, cookie: 3 }));
  t.deepEqual(await simpleReply(reader), { errno: errorCode.ENOSPC, cookie: 3 });
});

test('a drain answers what is in flight and then ends the connection', async (t) => {
  const { client, device, reader, session } = serving();
  device.hold = true;
  client.send(request(command.flush, { cookie: 4 }));
  await later();
  session.drain();
  client.send(request(command.trim, { length: 1, cookie: 5 }));
  await later();
  device.letGo();
  t.is((await simpleReply(reader)).cookie, 4);
  const gone = await t.throwsAsync<AshlarError>(reader.read(1), { instanceOf: AshlarError });
  t.is(gone?.kind, 'closed');
});

test('what does not fit the block sizes that were told is refused, and the device does not see it', async (t) => {
  const device = new HeldDevice();
  const blockSizes = { minimum: 512, preferred: 4096, maximum: 64 * 1024, atomic: 512 };
  Object.defineProperty(device, 'blockSizes', { value: blockSizes });
  const { client, reader } = serving('simple', false, device);
  for (const [type, fields, errno] of [
    [command.read, { offset: 511, length: 512 }, errorCode.EINVAL],
    [command.trim, { offset: 0, length: 513 }, errorCode.EINVAL],
    [command.writeZeroes, { offset: 1, length: 512 }, errorCode.EINVAL],
    [command.cache, { offset: 0, length: 1 }, errorCode.EINVAL],
    [command.read, { offset: 0, length: 65 * 1024 }, errorCode.EINVAL],
    [command.trim, { offset: 0, length: 128 * 1024 }, 0],
    [command.cache, { offset: 512, length: 128 * 1024 }, 0],
  ] as const) {
    client.send(request(type, fields));
    t.is((await simpleReply(reader)).errno, errno, `${type} of ${fields.length} at ${fields.offset}`);
  }
  client.send(request(command.write, {}, new Uint8Array(65 * 1024).fill(1)));
  t.is((await simpleReply(reader)).errno, errorCode.EINVAL);
  t.true(device.bytes.every((byte) => byte === 0));
});

test('something else than a request ends the connection', async (t) => {
  const { client, ended } = serving();
  client.send(new Uint8Array(28).fill(0xff));
  t.regex((await ended)?.message ?? '', /something else than a request/);
});

test('a client that leaves in the middle of a payload leaves nothing behind', async (t) => {
  const { client, ended, device, memory, session } = serving();
  client.send(request(command.write, { length: 500_000 }, new Uint8Array(1000).fill(1)));
  await later();
  t.is(session.inFlight, 1);
  client.destroy();
  await ended;
  t.is(session.inFlight, 0);
  t.is(memory.inFlight, 0);
  t.is(device.bytes[0], 0);
});

// Before the others: it looks at the memory of the whole process.
test.serial('lengths of 2^25 + 1 to 2^63 are refused or end the connection, and take no memory', async (t) => {
  const lengths = [2 ** 25 + 1, 2 ** 31, 2 ** 32 - 1, 2 ** 40, 2 ** 53, 2 ** 63];
  const before = process.memoryUsage().arrayBuffers;
  const device = new HeldDevice();
  for (const length of lengths) {
    for (const type of [command.read, command.write, command.blockStatus]) {
      const flags = type === command.read ? 0 : commandFlag.payloadLength;
      const { client, memory, session } = serving('extended', false, device);
      for (let count = 0; count < 100; count += 1) {
        client.send(request(type, { flags, length }, new Uint8Array(0), true));
      }
      await later();
      t.is(session.inFlight, 0, `command ${type} of ${length} bytes`);
      t.is(memory.inFlight, 0);
      client.destroy();
    }
  }
  const grown = process.memoryUsage().arrayBuffers - before;
  t.true(grown < 16 * MiB, `memory grew by ${grown} bytes`);
});

test('of requests that are not answered no more than 1,024 are taken', async (t) => {
  const { client, device, reader, session } = serving();
  device.hold = true;
  for (let cookie = 0; cookie < 3000; cookie += 1) client.send(request(command.flush, { cookie }));
  for (let turns = 0; turns < 50; turns += 1) await later();
  t.is(session.inFlight, 1024);
  device.hold = false;
  device.letGo();
  for (let count = 0; count < 3000; count += 1) t.is((await simpleReply(reader)).errno, 0);
  t.is(session.inFlight, 0);
});

test('a client that asks for errors and states and reads none of them is not read any more', async (t) => {
  const { client, server } = serving('structured');
  let queued = 0;
  Object.defineProperty(server, 'queuedBytes', { get: () => queued });
  const send = server.send.bind(server);
  let replies = 0;
  server.send = (bytes, released) => {
    replies += 1;
    queued += MiB;
    send(bytes, released);
  };
  for (let count = 0; count < 200; count += 1) {
    client.send(request(count % 2 === 0 ? command.blockStatus : 99, { length: 100 }));
  }
  for (let turns = 0; turns < 50; turns += 1) await later();
  t.is(replies, 32);
  queued = 0;
  server.onDrain();
  await later();
  t.true(replies > 32);
});

test('RESIZE has the new size in place of an offset, and is refused where the client may not', async (t) => {
  const sizes: number[] = [];
  const resize = (sizeBytes: number): void => void sizes.push(sizeBytes);
  const { client, reader } = serving('simple', false, new HeldDevice(), resize);
  client.send(request(command.resize, { offset: 5 * 2 ** 40, length: 77, cookie: 1 }));
  t.deepEqual(await simpleReply(reader), { errno: 0, cookie: 1 });
  client.send(request(command.resize, { offset: 2 ** 60, cookie: 2 }));
  t.deepEqual(await simpleReply(reader), { errno: errorCode.ENOSPC, cookie: 2 });
  client.send(request(command.resize, { offset: 512, flags: 4, cookie: 3 }));
  t.deepEqual(await simpleReply(reader), { errno: errorCode.EINVAL, cookie: 3 });
  t.deepEqual(sizes, [5 * 2 ** 40]);
  for (const { client: other, reader: replies } of [
    serving('simple', true, new HeldDevice(), resize),
    serving('simple', false, new HeldDevice()),
  ]) {
    other.send(request(command.resize, { offset: 4096, cookie: 4 }));
    t.deepEqual(await simpleReply(replies), { errno: errorCode.EINVAL, cookie: 4 });
  }
  t.is(sizes.length, 1);
});

test('what becomes of a RESIZE is its reply', async (t) => {
  const resize = async (): Promise<void> => {
    throw new AshlarError('denied', 'others use it');
  };
  const { client, reader } = serving('simple', false, new HeldDevice(), resize);
  client.send(request(command.resize, { offset: 4096, cookie: 9 }));
  t.deepEqual(await simpleReply(reader), { errno: errorCode.EPERM, cookie: 9 });
});
