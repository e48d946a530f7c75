import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryDevice } from '@ashlar/block';
import type { BlockDevice, Extent } from '@ashlar/core';
import { createNbdServer } from '@ashlar/nbd';
import test from 'ava';
import { conformance, failed } from './run.ts';

const sizeBytes = 128 * 2 ** 20;

type Mutation = {
  /** What is wrong with the server. */
  readonly wrong: string;
  /** The check that must find it, or the area of which one must. Only that is run. */
  readonly found: string;
  readonly device?: (device: BlockDevice) => Partial<BlockDevice>;
  /** Changes what the server sends, in place: one piece as it was received, and how many bytes came before it. */
  readonly sends?: (bytes: Buffer, before: number) => void;
};

/** Calls `change` with each place where a 32-bit magic stands. */
function atEach(bytes: Buffer, magic: number, change: (at: number) => void): void {
  for (let at = 0; at + 16 <= bytes.length; at += 1) if (bytes.readUInt32BE(at) === magic) change(at);
}

const simpleReply = 0x67446698;
const structuredReply = 0x668e33ef;
/** The first half of the magic of option replies. */
const optionReply = 0x0003e889;

const mutations: readonly Mutation[] = [
  {
    wrong: 'NBD_CMD_RESIZE is answered and changes nothing',
    found: 'resize.larger',
    device: () => ({ resize: () => undefined }),
  },
  {
    wrong: 'NBD_CMD_RESIZE never makes anything smaller',
    found: 'resize.smaller',
    device: (memory) => ({ resize: (wanted) => (wanted > memory.sizeBytes ? memory.resize(wanted) : undefined) }),
  },
  {
    wrong: 'the greeting has a flag that nobody defined',
    found: 'handshake.no-unknown-flags',
    sends: (bytes, before) => {
      if (before === 0 && bytes.length >= 18) bytes[16] = 0x40;
    },
  },
  {
    wrong: 'the greeting has another magic',
    found: 'handshake.greeting',
    sends: (bytes, before) => {
      if (before === 0 && bytes.length >= 16) bytes[15] = 0x55;
    },
  },
  {
    wrong: 'it does not say that it is fixed newstyle',
    found: 'handshake.fixed-newstyle',
    sends: (bytes, before) => {
      if (before === 0 && bytes.length >= 18) bytes[17] = bytes[17]! & ~1;
    },
  },
  {
    wrong: 'replies to options name another option',
    found: 'info.export',
    sends: (bytes) => atEach(bytes, optionReply, (at) => (bytes[at + 11] = bytes[at + 11]! ^ 0x20)),
  },
  {
    wrong: 'simple replies have another cookie',
    found: 'read.',
    sends: (bytes) => atEach(bytes, simpleReply, (at) => (bytes[at + 9] = bytes[at + 9]! ^ 0x01)),
  },
  {
    wrong: 'simple replies never tell an error',
    found: 'read.beyond-end',
    sends: (bytes) => atEach(bytes, simpleReply, (at) => bytes.writeUInt32BE(0, at + 4)),
  },
  {
    // The check waits for that chunk until it gives the server up: one is enough.
    wrong: 'the last chunk of a structured reply is not marked',
    found: 'structured.twice',
    sends: (bytes) => atEach(bytes, structuredReply, (at) => bytes.writeUInt16BE(0, at + 4)),
  },
  {
    wrong: 'a write is acknowledged and forgotten',
    found: 'write.',
    device: () => ({ write: () => undefined }),
  },
  {
    wrong: 'a write goes one block too far',
    found: 'write.',
    device: (device) => ({ write: (offset, from, durable) => device.write(offset + 512, from, durable) }),
  },
  {
    wrong: 'zeroes are acknowledged and not made',
    found: 'zero.read-back',
    device: () => ({ zero: () => undefined }),
  },
  {
    wrong: 'zeroes go too far',
    found: 'zero.',
    device: (device) => ({
      zero: (offset, length, mode, durable) =>
        device.zero(offset, Math.min(length + 4096, sizeBytes - offset), mode, durable),
    }),
  },
  {
    wrong: 'a read gives the neighbour of what was asked for',
    found: 'read.',
    device: (device) => ({ read: (offset, into) => device.read(Math.max(0, offset - 1), into) }),
  },
  {
    wrong: 'the block status calls data a hole',
    found: 'status.',
    device: () => ({
      extents: (offset, length): readonly Extent[] => [{ offset, length, state: 'hole' }],
    }),
  },
  {
    wrong: 'the block status describes less than nothing',
    found: 'status.',
    device: () => ({ extents: (): readonly Extent[] => [] }),
  },
];

/** The device with some of its functions replaced. */
function changed(device: BlockDevice, change: Partial<BlockDevice>): BlockDevice {
  return new Proxy(device, {
    get(target, name) {
      const own = (change as Record<PropertyKey, unknown>)[name];
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** Hands everything on between the suite and a server, and changes what the server sends. */
function relay(to: string, sends: NonNullable<Mutation['sends']>): ReturnType<typeof createServer> {
  return createServer((client) => {
    const server = connect(to);
    let before = 0;
    client.on('data', (part) => server.write(part));
    server.on('data', (part: Buffer) => {
      sends(part, before);
      before += part.length;
      client.write(part);
    });
    client.on('close', () => server.destroy());
    server.on('close', () => client.end());
    client.on('error', () => server.destroy());
    server.on('error', () => client.destroy());
  });
}

for (const { wrong, found, device: change, sends } of mutations) {
  test.serial(`the suite finds that ${wrong}`, async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'ashlar-mutation-'));
    const memory = memoryDevice(sizeBytes);
    const device = change === undefined ? memory : changed(memory, change(memory));
    const server = createNbdServer({ exports: new Map([['disk', { device, mayResize: true }]]) });
    const path = join(directory, 'server');
    await once(server.listen(path), 'listening');
    const between = sends === undefined ? undefined : relay(path, sends);
    const shown = join(directory, 'shown');
    if (between !== undefined) await once(between.listen(shown), 'listening');
    try {
      const uri = `nbd+unix:///disk?socket=${between === undefined ? path : shown}`;
      const faults = await conformance(uri, '--filter', found).then(failed, (error: unknown) => [
        `cannot be checked: ${String(error)}`,
      ]);
      t.log(faults.slice(0, 6).join(', '));
      t.true(
        faults.some((id) => id.startsWith(found) || id.includes('cannot check the server')),
        `${found} is not among ${faults.join(', ')}`,
      );
    } finally {
      between?.close();
      server.close();
      await rm(directory, { recursive: true });
    }
  });
}

test.serial('the server that the mutations are made from fails nothing', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'ashlar-mutation-'));
  const device = memoryDevice(sizeBytes);
  const server = createNbdServer({ exports: new Map([['disk', { device, mayResize: true }]]) });
  const path = join(directory, 'server');
  await once(server.listen(path), 'listening');
  try {
    t.deepEqual(failed(await conformance(`nbd+unix:///disk?socket=${path}`)), []);
  } finally {
    server.close();
    await rm(directory, { recursive: true });
  }
});
