import { mountProgram, nfsProgram, nfsVersion } from '../codec/constants.ts';
import { nlmProgram } from '../codec/nlm.ts';
import { portmapProgram } from '../codec/portmap.ts';
import { procedures } from '../codec/procedures.ts';
import { handle as handleType } from '../codec/types.ts';
import { area, robustness, type Check } from './check.ts';
import { expect, Failed } from './outcome.ts';
import type { Place } from './place.ts';
import { bytes } from './samples.ts';
import { callBytes, record } from './raw-connection.ts';

const { must } = area('malformed', robustness);

/** The server serves others. */
async function lives(place: Place): Promise<void> {
  const session = await place.as();
  await session.ok(procedures.getAttributes, { handle: place.facts.root });
  session.close();
}

/** Sends what comes, takes whatever is answered, and looks whether the server lives. */
async function survives(place: Place, messages: Iterable<Buffer>): Promise<void> {
  for (const message of messages) {
    const raw = await place.raw();
    raw.send(message);
    raw.end();
    await raw.ends(2000);
    raw.close();
  }
  await lives(place);
}

function* mutations(place: Place): Generator<Buffer> {
  const call = callBytes({
    xid: 1,
    program: nfsProgram,
    version: nfsVersion,
    procedure: procedures.lookup.number,
    args: (writer) =>
      procedures.lookup.args.write(writer, { directory: place.facts.root, name: Buffer.from('some name') }),
  });
  for (let at = 0; at < call.length; at += 4) {
    for (const word of [0, 1, 0x7fff_ffff, 0xffff_ffff]) {
      const wrong = Buffer.from(call);
      wrong.writeUInt32BE(word, at);
      yield record(wrong);
    }
  }
}

export const malformedChecks: readonly Check[] = [
  must('words', 'A call with any word of it replaced costs nothing but itself', robustness, (place) =>
    survives(place, mutations(place)),
  ),
  must('noise', 'Noise costs nothing but its connection', robustness, (place) =>
    survives(
      place,
      Array.from({ length: 50 }, (_, seed) => bytes(5000, seed + 1)),
    ),
  ),
  must('cut', 'A call that is cut anywhere costs nothing but its connection', robustness, async (place) => {
    const call = record(
      callBytes({
        xid: 1,
        program: nfsProgram,
        version: nfsVersion,
        procedure: 1,
        args: (writer) => handleType.write(writer, place.facts.root),
      }),
    );
    await survives(
      place,
      Array.from({ length: call.length }, (_, at) => call.subarray(0, at)),
    );
  }),
  must(
    'counts',
    'Counts of 4 GiB in any procedure are refused, and no memory is taken for them',
    robustness,
    async (place) => {
      for (let procedure = 0; procedure <= 21; procedure += 1) {
        const raw = await place.raw();
        const call = callBytes({
          xid: procedure,
          program: nfsProgram,
          version: nfsVersion,
          procedure,
          args: (writer) => void writer.u32(0xffff_fffc),
        });
        raw.send(record(call));
        const reply = await raw.reply();
        const isRefused = procedure === 0 || reply.rejection !== undefined || reply.reader.u32() !== 0;
        expect(isRefused, `procedure ${procedure} went well`);
        raw.close();
      }
      await lives(place);
    },
  ),
  must('programs', 'Noise as arguments of any program is refused', robustness, async (place) => {
    for (const [program, versions] of [
      [nfsProgram, [3]],
      [mountProgram, [1, 3]],
      [portmapProgram, [2, 3, 4]],
      [nlmProgram, [4]],
    ] as const) {
      for (const version of versions) {
        for (let procedure = 1; procedure <= 25; procedure += 1) {
          const raw = await place.raw();
          const args = bytes(40, procedure);
          raw.send(
            record(callBytes({ xid: 1, program, version, procedure, args: (writer) => void writer.fixed(args) })),
          );
          await Promise.race([
            raw.reply().catch((error: unknown) => {
              if (!(error instanceof Failed)) throw error;
            }),
            raw.ends(500),
          ]);
          raw.close();
        }
      }
    }
    await lives(place);
  }),
  must('hanging', 'Fifty connections that say half a call hold nobody up', robustness, async (place) => {
    const call = record(callBytes({ xid: 1, program: nfsProgram, version: nfsVersion, procedure: 0 }));
    const connections = await Promise.all(Array.from({ length: 50 }, () => place.raw()));
    for (const raw of connections) raw.send(call.subarray(0, 20));
    await lives(place);
    for (const raw of connections) raw.send(call.subarray(20));
    for (const raw of connections) await raw.reply();
  }),
  must(
    'aborted',
    'Connections that end in the middle of large writes leave nothing behind',
    robustness,
    async (place) => {
      const handle = await place.file();
      for (let count = 0; count < 20; count += 1) {
        const raw = await place.raw();
        const data = bytes(60_000);
        const call = record(
          callBytes({
            xid: count,
            program: nfsProgram,
            version: nfsVersion,
            procedure: procedures.write.number,
            args: (writer) =>
              procedures.write.args.write(writer, { handle, offset: 0, count: data.length, stability: 0, data }),
          }),
        );
        raw.send(call.subarray(0, 3000 * count));
        await raw.sent();
        raw.close();
      }
      const { sizeBytes } = await place.attributes(handle);
      expect(sizeBytes === 0 || sizeBytes === 60_000, `it has ${sizeBytes} bytes`);
    },
  ),
];
