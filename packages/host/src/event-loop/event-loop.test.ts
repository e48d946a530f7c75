import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFile, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AshlarError, type Stream } from '@ashlar/core';
import test, { type ExecutionContext } from 'ava';
import { EventLoop, type EventLoopOptions } from './event-loop.ts';
import { takeSocket } from './hand-over.ts';
import { PlainStream } from './plain-stream.ts';

type Fixture = {
  readonly loop: EventLoop;
  /** A client, and the stream that serves it. `session` sets the stream's callbacks. */
  readonly open: (session: (stream: Stream) => void) => Promise<{ client: Socket; stream: Stream }>;
};

/** A loop in this thread, with clients in this thread too: each must let the other have its turns. */
async function withLoop(
  t: ExecutionContext,
  body: (fixture: Fixture) => Promise<void>,
  options: EventLoopOptions & { readonly path?: string } = {},
): Promise<void> {
  const loop = new EventLoop(options);
  const waiting: ((stream: Socket) => void)[] = [];
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => waiting.shift()?.(socket));
  server.listen(options.path ?? { port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const clients: Socket[] = [];
  t.teardown(() => end(loop, server, clients));
  const open: Fixture['open'] = (session) =>
    new Promise((resolve, reject) => {
      const address = server.address();
      const client =
        typeof address === 'string' ? connect(address) : connect((address as AddressInfo).port, '127.0.0.1');
      clients.push(client.on('error', () => undefined));
      waiting.push((socket) => {
        try {
          const stream = loop.adopt(takeSocket(socket));
          session(stream);
          resolve({ client, stream });
        } catch (error) {
          reject(error);
        }
      });
    });
  await body({ loop, open });
}

function end(loop: EventLoop, server: Server, clients: readonly Socket[]): void {
  for (const client of clients) client.destroy();
  loop.close();
  server.close();
}

/** Sends back what it gets. */
function echo(stream: Stream): void {
  const buffer = new Uint8Array(64 * 1024);
  stream.onReadable = () => {
    for (;;) {
      const count = stream.receive(buffer, 0, buffer.length);
      if (count === 0) return;
      if (count < 0) {
        stream.end();
        return;
      }
      stream.send(buffer.slice(0, count));
    }
  };
}

function pattern(length: number, seed = 0): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8) * 7 + seed) & 0xff));
}

async function readExactly(socket: Socket, length: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let have = 0; have < length;) {
    const piece = socket.read() as Buffer | null;
    if (piece === null) await once(socket, 'readable');
    else {
      pieces.push(piece);
      have += piece.length;
    }
  }
  return Buffer.concat(pieces);
}

async function readToEnd(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of socket) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

test('what a client sends comes back, over TCP', (t) =>
  withLoop(t, async ({ open }) => {
    const { client } = await open(echo);
    const sent = pattern(3_000_000);
    client.write(sent);
    t.is(Buffer.compare(await readExactly(client, sent.length), sent), 0);
  }));

test('what a client sends comes back, over a Unix socket', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'ashlar-loop-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  await withLoop(
    t,
    async ({ open }) => {
      const { client, stream } = await open(echo);
      t.is(stream.peer.address, 'unix');
      const sent = pattern(300_000);
      client.write(sent);
      t.is(Buffer.compare(await readExactly(client, sent.length), sent), 0);
    },
    { path: join(directory, 'socket') },
  );
});

test('bytes that were read before the hand-over are received first, however few at a time', async (t) => {
  const loop = new EventLoop();
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  t.teardown(() => end(loop, server, [client]));
  const [socket] = (await once(server, 'connection')) as [Socket];
  client.write('early ');
  await once(socket, 'readable');
  const accepted = takeSocket(socket);
  t.deepEqual(Buffer.from(accepted.received).toString(), 'early ');
  client.write('late');
  const stream = loop.adopt(accepted);
  let seen = '';
  const one = new Uint8Array(1);
  await new Promise<void>((resolve) => {
    // One byte a call, and no second call though there is more.
    stream.onReadable = () => {
      if (stream.receive(one, 0, 1) > 0) seen += String.fromCharCode(one[0]!);
      if (seen.length === 10) resolve();
    };
  });
  t.is(seen, 'early late');
});

test('small and large sends arrive in order, and each large one is released once', (t) =>
  withLoop(t, async ({ open }) => {
    const { client, stream } = await open(echo);
    const expected: Buffer[] = [];
    let released = 0;
    for (let index = 0; index < 300; index++) {
      const part = pattern(index % 7 === 0 ? 20_000 + index * 100 : (index * 37) % 5000, index);
      expected.push(part);
      stream.send(part, () => (released += 1));
    }
    const all = Buffer.concat(expected);
    t.is(Buffer.compare(await readExactly(client, all.length), all), 0);
    t.is(released, 300);
    t.is(stream.queuedBytes, 0);
  }));

test('a small send is copied: its buffer may be used again at once', (t) =>
  withLoop(t, async ({ open }) => {
    const { client, stream } = await open(echo);
    const buffer = new Uint8Array(100);
    for (let index = 0; index < 1000; index++) stream.send(buffer.fill(index & 0xff));
    const got = await readExactly(client, 100_000);
    t.true(got.every((byte, index) => byte === (Math.floor(index / 100) & 0xff)));
  }));

test('a client that does not read keeps its replies waiting, then is ended, and others are served', (t) =>
  withLoop(
    t,
    async ({ open }) => {
      const slow = await open(echo);
      slow.client.pause();
      const closed = new Promise<Error | undefined>((resolve) => (slow.stream.onClose = resolve));
      let released = 0;
      const large = pattern(1 << 20);
      let sent = 0;
      // The socket itself takes the first few; the queue is empty again when the connection was ended.
      while (sent < 40 && (sent < 8 || slow.stream.queuedBytes > 0)) {
        slow.stream.send(large, () => (released += 1));
        sent += 1;
      }
      const { client } = await open(echo);
      client.write('hello');
      t.is((await readExactly(client, 5)).toString(), 'hello');
      const error = await closed;
      t.true(error instanceof AshlarError);
      t.regex(error?.message ?? '', /does not read/);
      t.is(released, sent);
    },
    { queueLimitBytes: 16 << 20 },
  ));

test('replies that waited for a slow reader all arrive, and the session is told when it may go on', (t) =>
  withLoop(t, async ({ open }) => {
    const { client, stream } = await open(echo);
    const part = pattern(1 << 20, 5);
    let drains = 0;
    stream.onDrain = () => (drains += 1);
    for (let index = 0; index < 24; index++) stream.send(part);
    stream.flush();
    t.true(stream.queuedBytes > 0);
    const got = await readExactly(client, 24 << 20);
    t.true(
      Array.from({ length: 24 }, (_, index) => got.subarray(index << 20, (index + 1) << 20)).every((piece) =>
        piece.equals(part),
      ),
    );
    await once(client.end('x'), 'finish');
    t.true(drains > 0);
    t.is(stream.queuedBytes, 0);
  }));

test('an error of a session ends its connection with that error, and no other', (t) =>
  withLoop(t, async ({ open }) => {
    const other = await open(echo);
    const { client, stream } = await open((own) => {
      own.onReadable = () => {
        throw new AshlarError('invalid', 'what nonsense');
      };
    });
    const closed = new Promise<Error | undefined>((resolve) => (stream.onClose = resolve));
    client.write('nonsense');
    t.is((await closed)?.message, 'what nonsense');
    await readToEnd(client).catch(() => undefined);
    other.client.write('still');
    t.is((await readExactly(other.client, 5)).toString(), 'still');
  }));

test('a client that ends is seen as the end; what it is still owed arrives', (t) =>
  withLoop(t, async ({ open, loop }) => {
    const { client, stream } = await open(echo);
    const closed = new Promise<Error | undefined>((resolve) => (stream.onClose = resolve));
    client.end(pattern(500_000));
    t.is((await readToEnd(client)).length, 500_000);
    t.is(await closed, undefined);
    t.is(loop.connections, 0);
  }));

test('a client that breaks off is told once, as an error', (t) =>
  withLoop(t, async ({ open }) => {
    const { client, stream } = await open(echo);
    let told = 0;
    const closed = new Promise<Error | undefined>((resolve) => {
      stream.onClose = (error) => {
        told += 1;
        resolve(error);
      };
    });
    client.resetAndDestroy();
    const error = await closed;
    t.true(error instanceof AshlarError && error.kind === 'closed');
    t.throws(() => stream.receive(new Uint8Array(1), 0, 1), { instanceOf: AshlarError });
    let released = 0;
    stream.send(pattern(100_000), () => (released += 1));
    stream.destroy();
    t.is(released, 1);
    t.is(told, 1);
  }));

test('a paused session is not called until it resumes, then it is', (t) =>
  withLoop(t, async ({ open }) => {
    const buffer = new Uint8Array(100);
    let calls = 0;
    let got = 0;
    let heard: () => void = () => undefined;
    const { client, stream } = await open((own) => {
      own.onReadable = () => {
        calls += 1;
        got += Math.max(0, own.receive(buffer, 0, 3));
        own.pause();
        heard();
      };
    });
    const first = new Promise<void>((resolve) => (heard = resolve));
    client.write('abcdef');
    await first;
    const other = await open(echo);
    other.client.write('x');
    await readExactly(other.client, 1);
    t.is(calls, 1);
    const second = new Promise<void>((resolve) => (heard = resolve));
    stream.resume();
    await second;
    t.deepEqual([calls, got], [2, 6]);
  }));

test('what is queued when a session ends its connection is sent first', (t) =>
  withLoop(t, async ({ open }) => {
    const { client, stream } = await open(echo);
    const last = pattern(5_000_000);
    stream.send(last);
    stream.end();
    t.is(Buffer.compare(await readToEnd(client), last), 0);
  }));

test('hooks run at the end of each round, before its replies leave', (t) =>
  withLoop(t, async ({ loop, open }) => {
    const waiting: (() => void)[] = [];
    const remove = loop.onRound(() => {
      for (const reply of waiting.splice(0)) reply();
    });
    const buffer = new Uint8Array(100);
    const { client } = await open((own) => {
      own.onReadable = () => {
        const count = own.receive(buffer, 0, buffer.length);
        if (count > 0) waiting.push(() => own.send(Buffer.from('grouped')));
      };
    });
    client.write('x');
    t.is((await readExactly(client, 7)).toString(), 'grouped');
    remove();
  }));

test('files, timers and promises go on while clients keep the loop busy', async (t) => {
  for (const activity of [undefined, () => 0]) {
    await withLoop(
      t,
      async ({ loop, open }) => {
        const { client, stream } = await open(echo);
        loop.count(stream);
        let busy = true;
        client.on('data', (piece) => busy && client.write(piece));
        client.write(pattern(100_000));
        for (let index = 0; index < 20; index++) {
          await new Promise<void>((resolve, reject) => {
            readFile('/proc/self/stat', (error) => (error === null ? resolve() : reject(error)));
          });
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        busy = false;
        t.pass();
      },
      activity === undefined ? {} : { activity },
    );
  }
});

/** What each epoll descriptor of this process watches. */
function watchedDescriptors(): ReadonlyMap<number, readonly number[]> {
  const found = new Map<number, readonly number[]>();
  for (const name of readdirSync('/proc/self/fdinfo')) {
    try {
      const lines = readFileSync(`/proc/self/fdinfo/${name}`, 'utf8').matchAll(/^tfd:\s*(\d+)\s/gm);
      const watched = [...lines].map(([, descriptor]) => Number(descriptor));
      if (watched.length > 0) found.set(Number(name), watched);
    } catch {
      // It was closed meanwhile, as the one that lists the folder.
    }
  }
  return found;
}

test('what libuv waits for wakes the loop from its first connection on, also where that is never idle', (t) =>
  withLoop(t, async ({ open }) => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const { client } = await open((stream) => {
      stream.onReadable = () => {
        const all = watchedDescriptors();
        const descriptor = stream instanceof PlainStream ? stream.descriptor : -1;
        const own = [...all.values()].find((watched) => watched.includes(descriptor)) ?? [];
        resolve(own.some((watched) => all.has(watched)));
      };
    });
    client.write('x');
    t.true(await promise);
  }));

test('a reply that a promise leads to leaves without another event', (t) =>
  withLoop(t, async ({ loop, open }) => {
    const buffer = new Uint8Array(100);
    const { client } = await open((own) => {
      own.onReadable = () => {
        if (own.receive(buffer, 0, buffer.length) <= 0) return;
        loop.hold();
        setTimeout(() => {
          own.send(Buffer.from('later'));
          loop.release();
        }, 20);
      };
    });
    client.write('x');
    t.is((await readExactly(client, 5)).toString(), 'later');
    t.is(loop.inFlight(), 0);
  }));

test('hundreds of connections are served, idle ones hold no buffers', (t) =>
  withLoop(t, async ({ loop, open }) => {
    const pairs = await Promise.all(Array.from({ length: 300 }, () => open(echo)));
    t.is(loop.connections, 300);
    for (const [index, { client }] of pairs.entries()) client.write(`number ${String(index).padStart(4, '0')}`);
    const answers = await Promise.all(pairs.map(({ client }) => readExactly(client, 11)));
    t.deepEqual(
      answers.map(String),
      pairs.map((_, index) => `number ${String(index).padStart(4, '0')}`),
    );
  }));

test('a closed loop ends its connections and tells them', async (t) => {
  await withLoop(t, async ({ loop, open }) => {
    const { client, stream } = await open(echo);
    let told = 0;
    stream.onClose = () => (told += 1);
    loop.close();
    loop.close();
    t.is(told, 1);
    await readToEnd(client).catch(() => undefined);
  });
});
