import { FairQueue, type Stream } from '@ashlar/core';
import {
  fragmentHeadBytes,
  readReply,
  RecordAssembler,
  sessionMemory,
  streamPair,
  writeCall,
  writeRecordHead,
  XdrReader,
  XdrWriter,
} from '@ashlar/wire';
import test, { type ExecutionContext } from 'ava';
import { RpcSession, type Answer, type RpcSessionOptions } from './rpc-session.ts';
import type { ServedCall } from './served-call.ts';

/** A call whose argument is opaque data. */
function callOf(xid: number, data: Uint8Array): Buffer {
  const writer = new XdrWriter();
  writeCall(writer, { xid, program: 7, version: 1, procedure: 2 });
  writer.opaque(data);
  return Buffer.from(writer.bytes());
}

function recordOf(call: Buffer): Buffer {
  const head = Buffer.alloc(fragmentHeadBytes);
  writeRecordHead(head, 0, call.length);
  return Buffer.concat([head, call]);
}

/** A record in fragments of so many bytes. */
function fragments(call: Buffer, each: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < call.length; at += each) {
    const part = call.subarray(at, at + each);
    const head = Buffer.alloc(fragmentHeadBytes);
    head.writeUInt32BE(((at + each >= call.length ? 0x8000_0000 : 0) | part.length) >>> 0);
    parts.push(head, part);
  }
  return Buffer.concat(parts);
}

/** Answers with the data that came. */
const echo = ({ reader }: ServedCall): Answer => {
  const data = Buffer.from(reader.opaque(2 ** 21));
  return { kind: 'results', write: (writer) => void writer.opaque(data) };
};

type Peer = { readonly stream: Stream; readonly replies: XdrReader[]; ended: boolean };

function connected(t: ExecutionContext, options: Partial<RpcSessionOptions> = {}): { peer: Peer; over: () => boolean } {
  const [client, server] = streamPair();
  const peer: Peer = { stream: client, replies: [], ended: false };
  const assembler = new RecordAssembler(2 ** 22);
  client.onReadable = () => {
    for (;;) {
      const { at, bytes, length } = assembler.next();
      const count = client.receive(bytes, at, length);
      if (count <= 0) {
        peer.ended ||= count < 0;
        return;
      }
      const record = assembler.came(count);
      if (record !== undefined) peer.replies.push(new XdrReader(record));
    }
  };
  client.onClose = () => (peer.ended = true);
  let isOver = false;
  const memory = sessionMemory();
  const session = new RpcSession({
    stream: server,
    memory,
    serve: echo,
    dataOffset: () => 0,
    answerBytes: () => 0,
    flow: new FairQueue().flow(),
    onEnd: () => (isOver = true),
    ...options,
  });
  session.start();
  t.teardown(() => client.destroy());
  return { peer, over: () => isOver };
}

async function until(t: ExecutionContext, isSo: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000; turn += 1) {
    if (isSo()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.fail('it did not come to that');
}

const dataOf = (length: number, seed = 0): Buffer =>
  Buffer.from(Array.from({ length }, (_, at) => (at * 7 + seed) % 251));

test('calls are answered by their numbers, whatever pieces they come in', async (t) => {
  const { peer } = connected(t);
  const calls = [0, 1, 5, 1000, 70_000, 600_000].map((length, at) => callOf(at, dataOf(length, at)));
  const bytes = Buffer.concat([...calls.map(recordOf), fragments(calls[3]!, 1), fragments(calls[4]!, 999)]);
  for (const size of [bytes.length, 65_537, 4099]) {
    peer.replies.length = 0;
    for (let at = 0; at < bytes.length; at += size) peer.stream.send(bytes.subarray(at, at + size));
    await until(t, () => peer.replies.length === 8);
    for (const reader of peer.replies) {
      const { rejection, xid } = readReply(reader);
      t.is(rejection, undefined);
      t.deepEqual(reader.opaque(2 ** 21), dataOf([0, 1, 5, 1000, 70_000, 600_000][xid]!, xid));
    }
  }
});

test('data of a large call lies where a page begins', async (t) => {
  const starts: number[] = [];
  const serve = ({ reader }: ServedCall): Answer => {
    starts.push(reader.opaque(2 ** 21).byteOffset % 4096);
    return { kind: 'results', write: () => undefined };
  };
  // Behind the head of the call, and the length of the data.
  const { peer } = connected(t, { serve, dataOffset: () => 44 });
  const record = recordOf(callOf(1, dataOf(1_000_000)));
  for (let at = 0; at < record.length; at += 30_000) peer.stream.send(record.subarray(at, at + 30_000));
  await until(t, () => peer.replies.length === 1);
  t.deepEqual(starts, [0]);
});

test('answers go out as they come, in any order', async (t) => {
  const waiting: ((answer: Answer) => void)[] = [];
  const { peer } = connected(t, { serve: () => new Promise((resolve) => waiting.push(resolve)) });
  for (const xid of [1, 2, 3]) peer.stream.send(recordOf(callOf(xid, dataOf(10))));
  await until(t, () => waiting.length === 3);
  for (const at of [2, 0, 1]) waiting[at]!({ kind: 'results', write: () => undefined });
  await until(t, () => peer.replies.length === 3);
  t.deepEqual(
    peer.replies.map((reader) => readReply(reader).xid),
    [3, 1, 2],
  );
});

test('what a call is read from is there until it is answered', async (t) => {
  let answer: (() => void) | undefined;
  const serve = ({ reader }: ServedCall): Promise<Answer> => {
    const data = reader.opaque(2 ** 21);
    return new Promise((resolve) => {
      answer = () => resolve({ kind: 'results', write: (writer) => void writer.opaque(data) });
    });
  };
  const { peer } = connected(t, { serve });
  peer.stream.send(recordOf(callOf(1, dataOf(50_000, 1))));
  await until(t, () => answer !== undefined);
  const first = answer!;
  for (let xid = 2; xid < 20; xid += 1) peer.stream.send(recordOf(callOf(xid, dataOf(50_000, xid))));
  await until(t, () => answer !== first);
  first();
  await until(t, () => peer.replies.length === 1);
  const [reply] = peer.replies;
  readReply(reply!);
  t.deepEqual(reply!.opaque(2 ** 21), dataOf(50_000, 1));
});

test('a reply that is written already goes out as it is, and its memory comes back', async (t) => {
  let sent = 0;
  const bytes = recordOf(callOf(5, dataOf(100_000)));
  const { peer } = connected(t, { serve: () => ({ kind: 'record', bytes, sent: () => (sent += 1) }) });
  peer.stream.send(recordOf(callOf(1, dataOf(1))));
  await until(t, () => peer.replies.length === 1);
  t.is(sent, 1);
  t.is(peer.replies[0]!.rest, bytes.length - fragmentHeadBytes);
});

test('a call that nobody can answer is rejected, and the connection lives', async (t) => {
  const serve = ({ head }: ServedCall): Answer => {
    if (head.xid === 1) throw new Error('something is wrong with us');
    return { kind: 'rejected', rejection: { kind: 'procedure-unavailable' } };
  };
  const { peer } = connected(t, { serve });
  for (const xid of [1, 2]) peer.stream.send(recordOf(callOf(xid, dataOf(1))));
  const old = callOf(3, dataOf(1));
  old.writeUInt32BE(3, 8);
  peer.stream.send(recordOf(old));
  await until(t, () => peer.replies.length === 3);
  t.deepEqual(
    peer.replies.map((reader) => readReply(reader).rejection?.kind),
    ['system-error', 'procedure-unavailable', 'rpc-mismatch'],
  );
});

test('what is no call, or too long, ends its connection and nothing else', async (t) => {
  const reply = callOf(1, dataOf(1));
  reply.writeUInt32BE(1, 4);
  const tooLong = Buffer.alloc(4);
  tooLong.writeUInt32BE(0xffff_ffff);
  for (const bytes of [
    recordOf(reply),
    tooLong,
    recordOf(Buffer.alloc(3)),
    recordOf(Buffer.alloc(40, 0xff)),
    Buffer.alloc(40_000),
  ]) {
    const { over, peer } = connected(t);
    peer.stream.send(bytes);
    await until(t, () => over());
    t.is(peer.replies.length, 0);
  }
});

test('a client that ends gets what it asked for, and then the end', async (t) => {
  let answer: ((answer: Answer) => void) | undefined;
  const { over, peer } = connected(t, { serve: () => new Promise((resolve) => (answer = resolve)) });
  peer.stream.send(recordOf(callOf(1, dataOf(1))));
  peer.stream.end();
  await until(t, () => answer !== undefined);
  answer!({ kind: 'results', write: () => undefined });
  await until(t, () => peer.replies.length === 1 && peer.ended);
  peer.stream.destroy();
  await until(t, () => over());
  t.pass();
});

test('more calls than a connection may have at once wait for the others', async (t) => {
  const waiting: ((answer: Answer) => void)[] = [];
  const { peer } = connected(t, { serve: () => new Promise((resolve) => waiting.push(resolve)) });
  for (let xid = 0; xid < 1000; xid += 1) peer.stream.send(recordOf(callOf(xid, dataOf(10))));
  await until(t, () => waiting.length >= 256);
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  t.is(waiting.length, 256);
  for (let at = 0; at < 1000; at += 1) {
    await until(t, () => waiting.length > at);
    waiting[at]!({ kind: 'results', write: () => undefined });
  }
  await until(t, () => peer.replies.length === 1000);
  t.pass();
});
