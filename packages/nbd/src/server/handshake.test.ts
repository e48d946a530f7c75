import { AshlarError, type Stream } from '@ashlar/core';
import { ByteReader, ByteWriter, streamPair, StreamReader } from '@ashlar/wire';
import test, { type ExecutionContext } from 'ava';
import { option, optionReply, transmissionFlag } from '../codec/constants.ts';
import { encodeContextRequest, encodeInfoRequest, encodeOption } from '../codec/option.ts';
import { handshake, type HandshakeOptions, type HandshakeResult } from './handshake.ts';
import { nativeCapabilities } from './native-capabilities.ts';
import { transmissionFlags, type ExportDirectory } from './negotiation.ts';

const directory: ExportDirectory = {
  list: () => [{ name: 'disk', description: 'a disk' }],
  find: (name) => {
    if (name === 'secret') throw new AshlarError('denied', 'not for you');
    if (name !== 'disk') return undefined;
    const blockSizes = { minimum: 1, preferred: 4096, maximum: 2 ** 25, atomic: 4096 };
    return {
      name,
      description: 'a disk',
      sizeBytes: 5 * 2 ** 40,
      readOnly: false,
      blockSizes,
      capabilities: nativeCapabilities,
    };
  },
};

/** A client that writes its messages by hand. */
class Client {
  readonly stream: Stream;
  readonly reader: StreamReader;
  readonly result: Promise<HandshakeResult>;

  constructor(options: Partial<HandshakeOptions> = {}) {
    const [client, server] = streamPair();
    this.stream = client;
    this.reader = new StreamReader(client);
    this.result = handshake({ stream: server, directory, tls: 'off', ...options });
    this.result.catch(() => server.destroy());
  }

  async greet(flags = 3): Promise<void> {
    await this.reader.read(18);
    this.stream.send(new ByteWriter().u32(flags).finish());
  }

  ask(type: number, data: Uint8Array = new Uint8Array(0)): void {
    this.stream.send(encodeOption(type, data));
  }

  async reply(): Promise<{ type: number; data: Uint8Array }> {
    const head = new ByteReader(await this.reader.read(20));
    head.bytes(12);
    const type = head.u32();
    return { type, data: await this.reader.read(head.u32()) };
  }

  /** The type of the last reply to an option; information before it is passed over. */
  async answer(t: ExecutionContext): Promise<number> {
    for (let count = 0; count < 10; count += 1) {
      const { type } = await this.reply();
      if (type === optionReply.ack || type >= optionReply.unsupported) return type;
    }
    t.fail('the server goes on and on');
    return 0;
  }
}

test('GO gives size, flags and block sizes, and ends the handshake', async (t) => {
  const client = new Client();
  await client.greet();
  client.ask(option.structuredReply);
  t.is(await client.answer(t), optionReply.ack);
  client.ask(option.go, encodeInfoRequest('disk', []));
  const { type, data } = await client.reply();
  t.is(type, optionReply.info);
  const reader = new ByteReader(data);
  t.deepEqual([reader.u16(), reader.u64()], [0, 5 * 2 ** 40]);
  t.is(await client.answer(t), optionReply.ack);
  const result = await client.result;
  t.like(result, {
    kind: 'ready',
    negotiated: { exportName: 'disk', replies: 'structured', contexts: [] },
  });
});

test('an export that is not there, or not for this client, is refused and the client may ask on', async (t) => {
  const client = new Client();
  await client.greet();
  client.ask(option.go, encodeInfoRequest('none', []));
  t.is(await client.answer(t), optionReply.unknown);
  client.ask(option.info, encodeInfoRequest('secret', []));
  t.is(await client.answer(t), optionReply.policy);
  client.ask(option.abort);
  t.is(await client.answer(t), optionReply.ack);
  t.deepEqual(await client.result, { kind: 'aborted' });
});

test('unknown options, data where none belong and lengths that lie are refused one by one', async (t) => {
  const client = new Client();
  await client.greet();
  const cases: [number, Uint8Array, number][] = [
    [77, new Uint8Array(3), optionReply.unsupported],
    [option.list, new Uint8Array(1), optionReply.invalid],
    [option.structuredReply, new Uint8Array(1), optionReply.invalid],
    [option.info, new Uint8Array([0, 0, 0, 200, 1]), optionReply.invalid],
    [option.info, new Uint8Array(100_000), optionReply.tooBig],
    [option.setMetaContext, encodeContextRequest('disk', ['base:allocation']), optionReply.invalid],
  ];
  for (const [type, data, expected] of cases) {
    client.ask(type, data);
    t.is(await client.answer(t), expected, `option ${type}`);
  }
});

test('the allocation context is kept for the export it was set for, and only behind structured replies', async (t) => {
  const client = new Client();
  await client.greet();
  client.ask(option.extendedHeaders);
  t.is(await client.answer(t), optionReply.ack);
  client.ask(option.structuredReply);
  t.is(await client.answer(t), optionReply.extendedHeadersRequired);
  client.ask(option.setMetaContext, encodeContextRequest('disk', ['base:allocation', 'x:y']));
  t.is((await client.reply()).type, optionReply.metaContext);
  t.is(await client.answer(t), optionReply.ack);
  client.ask(option.go, encodeInfoRequest('disk', []));
  t.is(await client.answer(t), optionReply.ack);
  t.like(await client.result, {
    negotiated: { replies: 'extended', contexts: [{ id: 1, source: { kind: 'allocation' } }] },
  });
});

test('a server that wants TLS answers nothing else before it', async (t) => {
  const client = new Client({ tls: 'required' });
  await client.greet();
  client.ask(option.list);
  t.is(await client.answer(t), optionReply.tlsRequired);
  client.ask(option.startTls);
  t.is(await client.answer(t), optionReply.ack);
  t.deepEqual(await client.result, { kind: 'tls', start: { noZeroes: true } });
});

test('a server without TLS says so, and one inside TLS refuses to begin again', async (t) => {
  const without = new Client();
  await without.greet();
  without.ask(option.startTls);
  t.is(await without.answer(t), optionReply.policy);
  const inside = new Client({ tls: 'required', afterTls: { noZeroes: true } });
  inside.ask(option.startTls);
  t.is(await inside.answer(t), optionReply.invalid);
});

test('flags that nobody offered and bytes that are no option end the connection', async (t) => {
  const flags = new Client();
  await flags.greet(4);
  t.is((await t.throwsAsync(flags.result, { instanceOf: AshlarError }))?.kind, 'invalid');
  const garbage = new Client();
  await garbage.greet();
  garbage.stream.send(new Uint8Array(64).fill(0x55));
  t.is((await t.throwsAsync(garbage.result, { instanceOf: AshlarError }))?.kind, 'invalid');
});

test('the old way to name an export answers with 134 bytes, 10 of them where zeroes are not wanted', async (t) => {
  for (const [flags, length] of [
    [1, 134],
    [3, 10],
  ] as const) {
    const client = new Client();
    await client.greet(flags);
    client.ask(option.exportName, Buffer.from('disk'));
    const reply = new ByteReader(await client.reader.read(length));
    t.is(reply.u64(), 5 * 2 ** 40);
    t.like(await client.result, { kind: 'ready', negotiated: { replies: 'simple' } });
  }
});

test('that clients may change the size is said of what they may write', (t) => {
  const facts = { name: 'disk', description: '', sizeBytes: 4096, capabilities: nativeCapabilities };
  const blockSizes = { minimum: 1, preferred: 4096, maximum: 2 ** 25, atomic: 4096 };
  const negotiated = { exportName: 'disk', replies: 'simple', contexts: [] } as const;
  const says = (readOnly: boolean, mayResize: boolean): boolean =>
    (transmissionFlags({ ...facts, blockSizes, readOnly, mayResize }, negotiated) & transmissionFlag.sendResize) !== 0;
  t.deepEqual([says(false, true), says(true, true), says(false, false)], [true, false, false]);
});
