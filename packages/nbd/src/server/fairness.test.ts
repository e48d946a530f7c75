import { FairQueue, KiB, MiB, type BlockDevice, type Flow } from '@ashlar/core';
import { sessionMemory, streamPair, StreamReader } from '@ashlar/wire';
import test from 'ava';
import { command } from '../codec/constants.ts';
import { RequestHead } from '../codec/request.ts';
import { nativeCapabilities } from './native-capabilities.ts';
import { TransmissionSession } from './transmission.ts';

const no = (): never => {
  throw new Error('nobody asks for this here');
};

/** What reached a device and has not ended, in order. */
type Reached = { readonly volume: string; readonly bytes: number; readonly end: () => void };

/** A device whose reads and writes end when the test says so. */
function recording(volume: string, reached: Reached[]): BlockDevice {
  const reach = (bytes: number): Promise<void> =>
    new Promise((resolve) => reached.push({ volume, bytes, end: resolve }));
  return {
    sizeBytes: 1024 * MiB,
    blockSizes: { minimum: 1, preferred: 4096, maximum: 32 * MiB, atomic: 4096 },
    capabilities: nativeCapabilities,
    readOnly: false,
    read: (_offset, into) => reach(into.length),
    write: (_offset, from) => reach(from.length),
    trim: no,
    zero: no,
    flush: no,
    extents: no,
    prefetch: no,
    compareAndWrite: no,
    copyFrom: no,
    resize: no,
    close: () => undefined,
  };
}

function attach(device: BlockDevice, flow: Flow, memory = sessionMemory()) {
  const [client, stream] = streamPair();
  const negotiated = { exportName: 'disk', replies: 'simple' as const, contexts: [] };
  const onEnd = (): void => undefined;
  const session = new TransmissionSession({ stream, device, readOnly: false, negotiated, memory, flow, onEnd });
  session.start();
  return { client, session, reader: new StreamReader(client) };
}

function request(type: number, length: number, payload = new Uint8Array(0)): Uint8Array {
  const head = new RequestHead();
  head.type = type;
  head.length = length;
  const bytes = new Uint8Array(32 + payload.length);
  const size = head.encode(new DataView(bytes.buffer), 0, false);
  bytes.set(payload, size);
  return bytes.subarray(0, size + payload.length);
}

const later = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Lets everybody have turns until nothing reaches a device any more. */
async function settled(reached: readonly Reached[]): Promise<void> {
  for (let before = -1, still = 0; still < 5; still += 1) {
    if (reached.length !== before) still = 0;
    before = reached.length;
    await later();
  }
}

test('a volume with four connections of deep 1 MiB writes does not hold back the 4 KiB reads of another', async (t) => {
  const reached: Reached[] = [];
  const queue = new FairQueue();
  const busy = { device: recording('busy', reached), flow: queue.flow() };
  const quiet = { device: recording('quiet', reached), flow: queue.flow() };
  const writers = [1, 2, 3, 4].map(() => attach(busy.device, busy.flow));
  const reader = attach(quiet.device, quiet.flow);
  const payload = new Uint8Array(MiB);
  for (const { client } of writers) {
    for (let count = 0; count < 16; count += 1) client.send(request(command.write, MiB, payload));
  }
  await settled(reached);
  t.is(reached.length, 64, 'alone it has all of it under way');

  let begunBetween = 0;
  for (let round = 0; round < 100; round += 1) {
    const before = reached.length;
    reader.client.send(request(command.read, 4 * KiB));
    await settled(reached);
    t.deepEqual(
      reached.slice(before).map(({ volume }) => volume),
      ['quiet'],
      'the read reaches its device at once',
    );
    reached.pop()?.end();
    await reader.reader.read(16 + 4 * KiB);
    // One write ends, and its client sends the next.
    const ended = reached.findIndex(({ volume }) => volume === 'busy');
    const left = reached.length - 1;
    reached.splice(ended, 1)[0]?.end();
    writers[round % 4]?.client.send(request(command.write, MiB, payload));
    await settled(reached);
    begunBetween += reached.length - left;
  }
  const underWay = reached.reduce((sum, { bytes }) => sum + bytes, 0);
  t.true(underWay <= 4 * MiB, `${underWay} bytes are under way`);
  t.true(begunBetween > 30, 'and the writes go on');
});

test('what waited for its turn is answered when its client has gone, and the connection ends', async (t) => {
  const reached: Reached[] = [];
  const queue = new FairQueue();
  const memory = sessionMemory();
  const first = attach(recording('first', reached), queue.flow(), memory);
  const second = attach(recording('second', reached), queue.flow(), memory);
  second.client.send(request(command.read, 4 * KiB));
  await settled(reached);
  for (let count = 0; count < 16; count += 1) first.client.send(request(command.read, MiB));
  await settled(reached);
  t.true(reached.length < 17);
  t.is(first.session.inFlight, 16);
  first.client.destroy();
  second.client.destroy();
  for (let item = reached.shift(); item !== undefined; item = reached.shift()) {
    item.end();
    await settled(reached);
  }
  t.is(memory.inFlight, 0);
  t.is(first.session.inFlight, 0);
});
