import { andThen, isPromise, type Receipt, type Settled } from '@ashlar/core';
import { XdrWriter, type XdrReader } from '@ashlar/wire';
import { status } from '../codec/constants.ts';
import type { ArgsOf, FailOf, OkOf, Procedure } from '../codec/procedures.ts';
import type { Call } from './call.ts';
import { statusOf } from './errors.ts';

/** Writes the results of a call behind the head of its reply. */
export type WriteResults = (writer: XdrWriter) => void;

/** One procedure as it is served. */
export type Handler = {
  readonly name: string;
  readonly number: number;
  /** Throws `invalid` where the arguments cannot be read; whatever else goes wrong is in the results. */
  serve(call: Call, reader: XdrReader): Settled<WriteResults>;
};

type Parts<P> = {
  /** Throws or rejects where it does not go well. */
  run(call: Call, args: ArgsOf<P>): Settled<OkOf<P>>;
  /** What a reply says besides its status where it did not. */
  fail(call: Call, args: ArgsOf<P>): Settled<FailOf<P>>;
};

export function handler<A, S, F>(
  procedure: Procedure<A, S, F>,
  parts: NoInfer<Parts<Procedure<A, S, F>>>,
): Handler & Parts<Procedure<A, S, F>> {
  const ok =
    (results: S): WriteResults =>
    (writer) => {
      writer.u32(status.ok);
      procedure.ok.write(writer, results);
    };
  const failed = (call: Call, args: A, error: unknown): Settled<WriteResults> => {
    call.kept = undefined;
    return andThen(parts.fail(call, args as ArgsOf<Procedure<A, S, F>>), (results) => (writer: XdrWriter) => {
      writer.u32(statusOf(error));
      procedure.fail.write(writer, results as F);
    });
  };
  return {
    ...parts,
    name: procedure.name,
    number: procedure.number,
    serve(call, reader) {
      const args = procedure.args.read(reader);
      try {
        const results = parts.run(call, args as ArgsOf<Procedure<A, S, F>>) as Settled<S>;
        return isPromise(results) ? results.then(ok, (error: unknown) => failed(call, args, error)) : ok(results);
      } catch (error) {
        return failed(call, args, error);
      }
    },
  };
}

/** Each is copied before the next is written. */
const written = new XdrWriter();

/** Results of a call that went well, with their status, to be kept. */
function resultsOf<A, S, F>({ ok }: Procedure<A, S, F>, results: S): Uint8Array {
  const writer = written.reset().u32(status.ok);
  ok.write(writer, results);
  return Buffer.from(writer.bytes());
}

/** What a call tells of a change, and what is kept of it with the change; told once, for both. */
export function keeping<A, S, F, T extends object>(
  call: Call,
  procedure: Procedure<A, S, F>,
  resultOf: (change: T) => NoInfer<S>,
): { readonly receipt: Receipt<T> | undefined; readonly tell: (change: T) => S } {
  let told: { readonly change: T; readonly results: S } | undefined;
  const receipt = call.keep((change: T) => {
    told = { change, results: resultOf(change) };
    return resultsOf(procedure, told.results);
  });
  return { receipt, tell: (change) => (told?.change === change ? told.results : resultOf(change)) };
}
