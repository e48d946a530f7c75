import { mountProgram, nfsProgram, nfsVersion } from '../codec/constants.ts';
import { procedures } from '../codec/procedures.ts';
import { area, rfc5531, robustness, type Check } from './check.ts';
import { expect, same } from './outcome.ts';
import { bytes } from './samples.ts';
import {
  callBytes,
  record,
  rootCredential,
  type RawCall,
  type RawConnection,
  type RawReply,
} from './raw-connection.ts';
import { handle as handleType } from '../codec/types.ts';

const { must, should } = area('rpc', rfc5531);

const nullCall = (xid: number, more: Partial<RawCall> = {}): Buffer =>
  callBytes({ xid, program: nfsProgram, version: nfsVersion, procedure: 0, ...more });

async function ask(raw: RawConnection, call: Buffer, fragmentBytes?: number): Promise<RawReply> {
  raw.send(record(call, fragmentBytes));
  return raw.reply();
}

const accepted = (reply: RawReply, what: string): void =>
  expect(reply.rejection === undefined, `${what} was rejected: ${JSON.stringify(reply.rejection)}`);

const rejected = (reply: RawReply, kind: string, what: string): void =>
  same(reply.rejection?.kind ?? 'accepted', kind, what);

const getAttributes = (xid: number, root: Uint8Array, more: Partial<RawCall> = {}): Buffer =>
  callBytes({
    xid,
    program: nfsProgram,
    version: nfsVersion,
    procedure: procedures.getAttributes.number,
    args: (writer) => handleType.write(writer, root),
    ...more,
  });

export const rpcChecks: readonly Check[] = [
  must('null', 'NULL is answered, by its number', 'section 9', async (place) => {
    const raw = await place.raw();
    for (const xid of [0, 1, 0x7fff_ffff, 0xffff_ffff]) {
      const reply = await ask(raw, nullCall(xid));
      accepted(reply, 'NULL');
      same(reply.xid, xid, 'the number of the reply');
      same(reply.reader.rest, 0, 'bytes behind the head');
    }
  }),
  must('null-without-credential', 'NULL needs no credential', 'section 10.1', async (place) => {
    const none = { flavor: 0, body: new Uint8Array(0) };
    accepted(await ask(await place.raw(), nullCall(1, { credential: none })), 'NULL');
  }),
  must('fragments', 'A call is read in fragments of any size', 'section 11', async (place) => {
    const raw = await place.raw();
    for (const size of [1, 2, 3, 4, 7, 64, 1000]) {
      const reply = await ask(raw, getAttributes(size, place.facts.root), size);
      accepted(reply, `a call in fragments of ${size}`);
      same(reply.xid, size, 'the number of the reply');
    }
  }),
  must('empty-fragments', 'Fragments without a byte are read', 'section 11', async (place) => {
    const raw = await place.raw();
    const call = nullCall(5);
    const head = Buffer.alloc(4);
    raw.send(head);
    raw.send(head);
    accepted(await ask(raw, call), 'a call behind empty fragments');
  }),
  must('bytewise', 'A call that comes byte by byte is answered', 'section 11', async (place) => {
    const raw = await place.raw();
    for (const byte of record(getAttributes(9, place.facts.root))) {
      raw.send(Uint8Array.of(byte));
      await raw.sent();
    }
    accepted(await raw.reply(), 'the call');
  }),
  must('pipelined', 'Calls that come together are each answered', 'section 9', async (place) => {
    const raw = await place.raw();
    const count = 200;
    const calls = Array.from({ length: count }, (_, xid) => record(getAttributes(xid, place.facts.root)));
    raw.send(Buffer.concat(calls));
    const found = new Set<number>();
    for (let at = 0; at < count; at += 1) found.add((await raw.reply()).xid);
    same(found.size, count, 'different numbers');
  }),
  should('one-fragment', 'A reply is one fragment', robustness, async (place) => {
    const handle = await place.file('file', bytes(100_000));
    const raw = await place.raw();
    const call = callBytes({
      xid: 1,
      program: nfsProgram,
      version: nfsVersion,
      procedure: procedures.read.number,
      args: (writer) => procedures.read.args.write(writer, { handle, offset: 0, count: 100_000 }),
    });
    const reply = await ask(raw, call);
    accepted(reply, 'READ');
    same(reply.fragments, 1, 'fragments');
  }),
  must('version', 'Another version of RPC is denied, with the versions that there are', 'section 9', async (place) => {
    const raw = await place.raw();
    for (const rpcVersion of [0, 1, 3, 0xffff_ffff]) {
      const reply = await ask(raw, nullCall(1, { rpcVersion }));
      rejected(reply, 'rpc-mismatch', `RPC version ${rpcVersion}`);
      same(reply.rejection, { kind: 'rpc-mismatch', lowest: 2, highest: 2 }, 'the versions');
    }
    accepted(await ask(raw, nullCall(2)), 'a call behind it');
  }),
  must('program', 'A program that is not there is PROG_UNAVAIL', 'section 9', async (place) => {
    const raw = await place.raw();
    rejected(await ask(raw, nullCall(1, { program: 399_999 })), 'program-unavailable', 'the program 399999');
    accepted(await ask(raw, nullCall(2)), 'a call behind it');
  }),
  must(
    'program-version',
    'A version that is not there is PROG_MISMATCH, with those that are',
    'section 9',
    async (place) => {
      const reply = await ask(await place.raw(), nullCall(1, { version: 77 }));
      rejected(reply, 'program-mismatch', 'version 77 of NFS');
      if (reply.rejection?.kind !== 'program-mismatch') return;
      const { highest, lowest } = reply.rejection;
      expect(lowest <= 3 && highest >= 3, `the versions are ${lowest} to ${highest}: 3 is not among them`);
    },
  ),
  must('procedure', 'A procedure that is not there is PROC_UNAVAIL', 'section 9', async (place) => {
    const raw = await place.raw();
    for (const procedure of [22, 100, 0xffff_ffff]) {
      rejected(await ask(raw, nullCall(1, { procedure })), 'procedure-unavailable', `procedure ${procedure}`);
    }
    accepted(await ask(raw, nullCall(2)), 'a call behind it');
  }),
  must('garbage', 'Arguments that end too early are GARBAGE_ARGS', 'section 9', async (place) => {
    const raw = await place.raw();
    const empty = callBytes({ xid: 1, program: nfsProgram, version: nfsVersion, procedure: 1 });
    rejected(await ask(raw, empty), 'garbage', 'GETATTR without a handle');
    const half = getAttributes(2, place.facts.root).subarray(0, -4);
    rejected(await ask(raw, Buffer.from(half)), 'garbage', 'GETATTR with half a handle');
    accepted(await ask(raw, nullCall(3)), 'a call behind it');
  }),
  must('garbage-handle', 'A handle of more than 64 bytes is GARBAGE_ARGS, or BADHANDLE', 'section 9', async (place) => {
    const call = callBytes({
      xid: 1,
      program: nfsProgram,
      version: nfsVersion,
      procedure: 1,
      args: (writer) => void writer.opaque(Buffer.alloc(65)),
    });
    const reply = await ask(await place.raw(), call);
    const isRefused =
      reply.rejection?.kind === 'garbage' || (reply.rejection === undefined && reply.reader.u32() === 10_001);
    expect(isRefused, 'it was neither');
  }),
  must('flavor', 'A flavor of credentials that is not known is denied', 'section 8.2', async (place) => {
    const raw = await place.raw();
    const credential = { flavor: 390_999, body: Buffer.alloc(8) };
    rejected(await ask(raw, getAttributes(1, place.facts.root, { credential })), 'auth', 'the flavor 390999');
    accepted(await ask(raw, nullCall(2)), 'a call behind it');
  }),
  must('bad-credential', 'An AUTH_SYS credential that cannot be read is denied', 'appendix A', async (place) => {
    const raw = await place.raw();
    const { body } = rootCredential();
    for (const cut of [0, 4, 8, body.length - 4]) {
      const credential = { flavor: 1, body: body.subarray(0, cut) };
      rejected(
        await ask(raw, getAttributes(1, place.facts.root, { credential })),
        'auth',
        `a credential of ${cut} bytes`,
      );
    }
    accepted(await ask(raw, nullCall(2)), 'a call behind it');
  }),
  must('long-credential', 'A credential of more than 400 bytes is not taken', 'section 8.2', async (place) => {
    const raw = await place.raw();
    raw.send(record(getAttributes(1, place.facts.root, { credential: { flavor: 1, body: Buffer.alloc(404) } })));
    const isRejected = raw.reply().then(
      (reply) => reply.rejection !== undefined,
      () => true,
    );
    const isOver = await Promise.race([raw.ends(), isRejected]);
    expect(isOver, 'it was taken');
  }),
  must('sixteen-groups', 'A credential with 16 further groups is taken', 'appendix A', async (place) => {
    const session = await place.as({
      stamp: 1,
      machine: 'm',
      uid: 1001,
      gid: 1001,
      gids: Array.from({ length: 16 }, (_, at) => at + 1),
    });
    await session.ok(procedures.getAttributes, { handle: place.facts.root });
  }),
  should('verifier', 'What a verifier of AUTH_NONE says does not matter', robustness, async (place) => {
    const verifier = { flavor: 0, body: Buffer.alloc(8, 1) };
    accepted(await ask(await place.raw(), nullCall(1, { verifier })), 'NULL');
  }),
  must(
    'not-a-call',
    'A reply that is sent to the server ends its connection alone, or is passed over',
    robustness,
    async (place) => {
      const raw = await place.raw();
      const reply = nullCall(1);
      reply.writeUInt32BE(1, 4);
      raw.send(record(reply));
      raw.send(record(nullCall(2)));
      await Promise.race([raw.ends(), raw.reply().catch(() => undefined)]);
      accepted(await ask(await place.raw(), nullCall(3)), 'a call over another connection');
    },
  ),
  must('too-long', 'A record of 2 GiB costs its connection and nothing else', robustness, async (place) => {
    const raw = await place.raw();
    raw.send(Buffer.from('ffffffff', 'hex'));
    raw.send(Buffer.alloc(65_536));
    await raw.ends(2000);
    accepted(await ask(await place.raw(), nullCall(3)), 'a call over another connection');
  }),
  must('half-closed', 'A client that ends its side gets the answers to what it asked', robustness, async (place) => {
    const raw = await place.raw();
    for (let xid = 0; xid < 20; xid += 1) raw.send(record(getAttributes(xid, place.facts.root)));
    raw.end();
    for (let at = 0; at < 20; at += 1) accepted(await raw.reply(), 'a call before the end');
    expect(await raw.ends(), 'the server does not end the connection');
  }),
  should('slow-reader', 'Clients that read nothing hold nobody up', robustness, async (place) => {
    const handle = await place.file('file', bytes(65_536));
    const greedy = await place.raw();
    const args = { handle, offset: 0, count: 65_536 };
    for (let xid = 0; xid < 400; xid += 1) {
      greedy.send(
        record(
          callBytes({
            xid,
            program: nfsProgram,
            version: nfsVersion,
            procedure: procedures.read.number,
            args: (writer) => procedures.read.args.write(writer, args),
          }),
        ),
      );
    }
    const other = await place.as();
    for (let count = 0; count < 20; count += 1) await other.ok(procedures.getAttributes, { handle });
  }),
  should('many-connections', 'A hundred connections are served side by side', robustness, async (place) => {
    const sessions = await Promise.all(Array.from({ length: 100 }, () => place.as()));
    await Promise.all(sessions.map((session) => session.ok(procedures.getAttributes, { handle: place.facts.root })));
  }),
  must('mount-version', 'A version of MOUNT that is not there is PROG_MISMATCH', 'section 9', async (place) => {
    const raw = await place.raw(place.target.mount);
    rejected(
      await ask(raw, nullCall(1, { program: mountProgram, version: 99 })),
      'program-mismatch',
      'version 99 of MOUNT',
    );
  }),
];
