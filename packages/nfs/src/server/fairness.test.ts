import { FairQueue, KiB, MiB, type Flow } from '@ashlar/core';
import { fragmentHeadBytes, sessionMemory, streamPair, writeCall, writeRecordHead, XdrWriter } from '@ashlar/wire';
import test from 'ava';
import { nfsProgram, nfsVersion, stability } from '../codec/constants.ts';
import { procedures, type ArgsOf, type Procedure } from '../codec/procedures.ts';
import { mostAnswerBytes, writeDataOffset } from './nfs-procedures.ts';
import { emptyAnswer } from './programs.ts';
import { RpcSession, type Answer } from './rpc-session.ts';

const handle = Buffer.alloc(32, 1);
const data = Buffer.alloc(MiB, 2);
const write = (offset: number): Buffer =>
  callOf(procedures.write, { handle, offset, count: data.length, stability: stability.file, data });
const read = (offset: number, count: number): Buffer => callOf(procedures.read, { handle, offset, count });
const getAttributes = (): Buffer => callOf(procedures.getAttributes, { handle });

let xid = 0;

function callOf<A, S, F>({ args, number }: Procedure<A, S, F>, value: A): Buffer {
  const writer = new XdrWriter().u32(0);
  xid += 1;
  writeCall(writer, { xid, program: nfsProgram, version: nfsVersion, procedure: number });
  args.write(writer, value);
  const record = Buffer.from(writer.bytes());
  writeRecordHead(record, 0, record.length - fragmentHeadBytes);
  return record;
}

/** What reached a tree and has not ended, in order. */
type Reached = {
  readonly client: string;
  readonly offset: number;
  readonly bytes: number;
  readonly end: () => void;
};

/** A client's connection to a server whose calls end when the test says so. */
function attach(client: string, flow: Flow, reached: Reached[]) {
  const [stream, served] = streamPair();
  const session = new RpcSession({
    stream: served,
    memory: sessionMemory(),
    flow,
    dataOffset: writeDataOffset,
    answerBytes: mostAnswerBytes,
    onEnd: () => undefined,
    serve({ head, reader }) {
      let [offset, bytes] = [0, 0];
      if (head.procedure === procedures.getAttributes.number) procedures.getAttributes.args.read(reader);
      else {
        const kind = head.procedure === procedures.read.number ? procedures.read : procedures.write;
        const args: ArgsOf<typeof procedures.read> = kind.args.read(reader);
        [offset, bytes] = [args.offset, args.count];
      }
      return new Promise<Answer>((resolve) => {
        reached.push({ client, offset, bytes, end: () => resolve(emptyAnswer) });
      });
    },
  });
  session.start();
  return { stream, session };
}

const later = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Lets everybody have turns until nothing is served any more. */
async function settled(reached: readonly Reached[]): Promise<void> {
  for (let before = -1, still = 0; still < 5; still += 1) {
    if (reached.length !== before) still = 0;
    before = reached.length;
    await later();
  }
}

test('a client with 64 writes of 1 MiB under way does not hold back what another asks', async (t) => {
  const reached: Reached[] = [];
  const queue = new FairQueue();
  const busy = attach('busy', queue.flow(), reached);
  const quiet = attach('quiet', queue.flow(), reached);
  const isOfBusy = ({ client }: Reached): boolean => client === 'busy';
  for (let count = 0; count < 64; count += 1) busy.stream.send(write(count));
  await settled(reached);
  for (let round = 0; round < 60; round += 1) {
    const before = reached.length;
    quiet.stream.send(round % 2 === 0 ? getAttributes() : read(0, 4 * KiB));
    await settled(reached);
    t.deepEqual(
      reached.slice(before).map(({ client }) => client),
      ['quiet'],
      'it is served at once',
    );
    reached.pop()!.end();
    // One write ends, and its client sends the next.
    reached.splice(reached.findIndex(isOfBusy), 1)[0]!.end();
    busy.stream.send(write(64 + round));
    await settled(reached);
  }
  t.true(reached.filter(isOfBusy).length <= 4, 'the busy one has little under way while it is not alone');
});

test('calls that had to wait are served in their order with what was sent', async (t) => {
  const reached: Reached[] = [];
  const queue = new FairQueue();
  const first = attach('first', queue.flow(), reached);
  const other = attach('other', queue.flow(), reached);
  other.stream.send(getAttributes());
  await settled(reached);
  for (let at = 0; at < 30; at += 1) first.stream.send(at % 3 === 0 ? read(at, MiB) : write(at));
  await settled(reached);
  t.true(reached.length < 30, 'some wait');
  const served: number[] = [];
  while (served.length < 30) {
    const call = reached.shift()!;
    if (call.client === 'first') served.push(call.offset);
    call.end();
    await settled(reached);
  }
  t.deepEqual(
    served,
    Array.from({ length: 30 }, (_, at) => at),
  );
});

test('one that reads and one that writes get as many bytes each', async (t) => {
  const reached: Reached[] = [];
  const queue = new FairQueue();
  const writer = attach('writer', queue.flow(), reached);
  const reader = attach('reader', queue.flow(), reached);
  // They meet before either has a deep queue.
  for (const { stream } of [writer, reader]) stream.send(getAttributes());
  await settled(reached);
  for (let at = 0; at < 24; at += 1) writer.stream.send(write(at));
  for (let at = 0; at < 96; at += 1) reader.stream.send(read(at, 256 * KiB));
  await settled(reached);
  const bytes = { writer: 0, reader: 0 };
  while (bytes.writer + bytes.reader < 24 * MiB) {
    const { bytes: moved, client, end } = reached.shift()!;
    bytes[client as keyof typeof bytes] += moved;
    end();
    await settled(reached);
  }
  t.true(Math.abs(bytes.writer - bytes.reader) <= 4 * MiB, JSON.stringify(bytes));
});

test('what waits of a client that went away is not served', async (t) => {
  const reached: Reached[] = [];
  const queue = new FairQueue();
  const gone = attach('gone', queue.flow(), reached);
  const other = attach('other', queue.flow(), reached);
  other.stream.send(getAttributes());
  await settled(reached);
  for (let at = 0; at < 20; at += 1) gone.stream.send(write(at));
  await settled(reached);
  const begun = reached.length;
  gone.stream.destroy();
  for (let at = 0; at < begun; at += 1) reached[at]!.end();
  await settled(reached);
  t.is(reached.length, begun);
  t.is(gone.session.inFlight, 0);
});
