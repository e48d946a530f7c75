import { AshlarError, type Stream } from '@ashlar/core';
import {
  authSys,
  fragmentHeadBytes,
  readReply,
  RecordAssembler,
  writeCall,
  writeRecordHead,
  XdrReader,
  XdrWriter,
  type AuthSys,
  type Rejection,
} from '@ashlar/wire';

/** The largest reply: as much data as a server gives at once, and what is around it. */
const mostReplyBytes = 4 * 1024 * 1024;

/** A call that is not answered: what is told of its answer. */
type Waiting = {
  readonly resolve: (results: XdrReader) => void;
  readonly reject: (error: Error) => void;
};

/** A server rejected a call: it has no results. */
export class RejectedCall extends AshlarError {
  readonly rejection: Rejection;

  constructor(rejection: Rejection) {
    super(rejection.kind === 'auth' ? 'denied' : 'unsupported', `the server rejected a call: ${rejection.kind}`);
    this.rejection = rejection;
  }
}

/** ONC RPC over one connection: calls go at once, and answers come in any order. */
export class RpcClient {
  readonly #stream: Stream;
  readonly #assembler = new RecordAssembler(mostReplyBytes);
  readonly #waiting = new Map<number, Waiting>();
  readonly #sys: Uint8Array | undefined;
  #xid: number;
  #closed: Error | undefined;

  /** `sys`: who calls; nothing: it is not said. `firstXid`: calls are numbered from there on. */
  constructor(stream: Stream, sys: AuthSys | undefined, firstXid: number) {
    this.#stream = stream;
    this.#xid = firstXid;
    if (sys !== undefined) {
      const writer = new XdrWriter();
      authSys.write(writer, sys);
      this.#sys = Uint8Array.from(writer.bytes());
    }
    stream.onReadable = () => this.#readable();
    stream.onClose = (error) => this.#end(error ?? new AshlarError('closed', 'the connection to the server ended'));
  }

  /** Calls a procedure; gives its results, in memory of their own. Rejects with `RejectedCall`, and `closed`. `xid`: the call is one that was made before. */
  call(
    program: number,
    version: number,
    procedure: number,
    args: (writer: XdrWriter) => void,
    xid = this.#nextXid(),
  ): Promise<XdrReader> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const writer = new XdrWriter();
    writer.u32(0);
    writeCall(writer, { xid, program, version, procedure, sys: this.#sys });
    args(writer);
    const record = writer.bytes();
    writeRecordHead(record, 0, record.length - fragmentHeadBytes);
    return new Promise((resolve, reject) => {
      this.#waiting.set(xid, { resolve, reject });
      this.#stream.send(record);
      this.#stream.flush();
    });
  }

  close(): void {
    this.#stream.end();
  }

  #nextXid(): number {
    this.#xid = (this.#xid + 1) >>> 0;
    return this.#xid;
  }

  #readable(): void {
    try {
      for (;;) {
        const { at, bytes, length } = this.#assembler.next();
        const count = this.#stream.receive(bytes, at, length);
        if (count === 0) return;
        if (count < 0) throw new AshlarError('closed', 'the server ended the connection');
        const record = this.#assembler.came(count);
        if (record !== undefined) this.#answered(record);
      }
    } catch (error) {
      this.#stream.destroy();
      this.#end(error as Error);
    }
  }

  #answered(record: Buffer): void {
    const reader = new XdrReader(record);
    const { rejection, xid } = readReply(reader);
    const waiting = this.#waiting.get(xid);
    this.#waiting.delete(xid);
    if (rejection === undefined) waiting?.resolve(reader);
    else waiting?.reject(new RejectedCall(rejection));
  }

  #end(error: Error): void {
    this.#closed ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
