import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryDevice } from '@ashlar/block';
import { AshlarError, type BlockDevice } from '@ashlar/core';
import { createNbdServer, openNbd } from '@ashlar/nbd';
import test from 'ava';

const block = 64 * 1024;
const blocks = 128;

/** A server that can be cut off from its clients at once and started anew; `connected` counts all it ever had. */
class Restarted {
  readonly path: string;
  readonly device: BlockDevice;
  connected = 0;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();

  constructor(path: string, device: BlockDevice) {
    this.path = path;
    this.device = device;
  }

  async start(): Promise<void> {
    const server = createNbdServer({ exports: new Map([['disk', { device: this.device }]]) });
    server.on('connection', (socket: Socket) => {
      this.connected += 1;
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    await once(server.listen(this.path), 'listening');
    this.#server = server;
  }

  async kill(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

for (const connections of [1, 4]) {
  test(`what was unanswered when the server went is sent again over ${connections} connections`, async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'ashlar-again-'));
    const path = join(directory, 'socket');
    const served = new Restarted(path, memoryDevice(block * blocks));
    await served.start();
    const client = await openNbd(`nbd+unix:///disk?socket=${path}`, { connections });
    t.is(served.connected, connections);
    let unanswered = 0;
    for (let round = 1; round <= 5; round += 1) {
      const writes = Array.from({ length: blocks }, (_, index) =>
        client.write(index * block, new Uint8Array(block).fill(round * 16 + (index % 16)), false),
      );
      let answered = 0;
      for (const write of writes) void Promise.resolve(write).then(() => (answered += 1));
      await Promise.race(writes);
      await served.kill();
      unanswered += blocks - answered;
      await served.start();
      await Promise.all(writes);
      const into = new Uint8Array(block * blocks);
      await Promise.all(
        Array.from({ length: blocks }, (_, index) =>
          client.read(index * block, into.subarray(index * block, (index + 1) * block)),
        ),
      );
      t.true(into.every((byte, at) => byte === round * 16 + (Math.floor(at / block) % 16)));
    }
    t.true(unanswered > 0, 'the server went in the middle');
    t.true(served.connected > connections, 'it did connect again');
    await client.close();
    await served.kill();
    await rm(directory, { recursive: true });
  });
}

test('where nobody comes back requests fail with a sentence', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'ashlar-again-'));
  const path = join(directory, 'socket');
  const served = new Restarted(path, memoryDevice(block));
  await served.start();
  const client = await openNbd(`nbd+unix:///disk?socket=${path}`, { reconnectMs: 0 });
  await served.kill();
  const error = await t.throwsAsync<AshlarError>(async () => client.read(0, new Uint8Array(block)), {
    instanceOf: AshlarError,
  });
  t.is(error?.kind, 'closed');
  t.regex(error?.message ?? '', /connection to the server is lost/);
  await rm(directory, { recursive: true });
});
