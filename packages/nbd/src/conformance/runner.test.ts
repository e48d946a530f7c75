import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Check } from './check.ts';
import type { Client } from './client.ts';
import type { Facts } from './facts.ts';
import { runChecks, type Result } from './runner.ts';
import { parseTarget } from './target.ts';

const timeoutMs = 100;

/** Runs one check on a server that does `serve` with each connection. */
async function result(
  t: ExecutionContext,
  serve: (socket: Socket) => void,
  run: (client: Client) => Promise<void>,
): Promise<Result> {
  const directory = await mkdtemp(join(tmpdir(), 'ashlar-runner-'));
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.resume();
    serve(socket);
  });
  t.teardown(async () => {
    server.close();
    await rm(directory, { recursive: true });
  });
  const path = join(directory, 'server');
  await once(server.listen(path), 'listening');
  const check: Check = { id: 'one', title: 'one', source: 'none', level: 'MUST', plain: true, run };
  const facts = { isOpen: false } as Facts;
  const [found] = await runChecks([check], facts, parseTarget(`nbd+unix:///x?socket=${path}`, { insecure: false }), {
    readOnly: false,
    timeoutMs,
  });
  return found!;
}

/** Sends a byte every now and then: `count` of them, or without end. */
function trickle(socket: Socket, count: number): void {
  let sent = 0;
  const timer = setInterval(() => {
    socket.write('x');
    sent += 1;
    if (sent === count) clearInterval(timer);
  }, timeoutMs / 10);
  socket.on('close', () => clearInterval(timer));
}

test('a check may take longer than a silence, as long as something comes', async (t) => {
  let whole: Buffer | undefined;
  const { detail } = await result(
    t,
    (socket) => trickle(socket, 40),
    async (client) => {
      whole = await (await client.connect()).read(40, 'forty bytes');
    },
  );
  t.is(whole?.length, 40, detail);
});

test('a check of which nothing comes has failed, and says what it waited for', async (t) => {
  const { result: found, detail } = await result(
    t,
    () => undefined,
    async (client) => void (await (await client.connect()).read(1, 'a byte')),
  );
  t.is(found, 'fail');
  t.regex(detail ?? '', /^nothing came in 100 ms while waiting for a byte/);
});

test('a server that goes on without end is given up', async (t) => {
  const { result: found, detail } = await result(
    t,
    (socket) => trickle(socket, Number.POSITIVE_INFINITY),
    async (client) => void (await (await client.connect()).read(2 ** 20, 'a million bytes')),
  );
  t.is(found, 'fail');
  t.regex(detail ?? '', /^there was no end while waiting for a million bytes/);
});
