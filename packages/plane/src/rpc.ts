import { AshlarError, assert, AssertionError, type ErrorContext, type ErrorKind } from '@ashlar/core';

/** The part of a MessagePort that is used. */
interface MessageEnd {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (message: unknown) => void): unknown;
}

type Functions = { readonly [name: string]: (...parameters: never[]) => unknown };

/** What a set of functions is when each is called from another thread. */
export type Remote<F> = {
  readonly [K in keyof F]: F[K] extends (...parameters: infer P) => infer R
    ? (...parameters: P) => Promise<Awaited<R>>
    : never;
};

type Failure = { readonly kind: ErrorKind; readonly message: string; readonly context: ErrorContext };

type Message =
  | { readonly type: 'call'; readonly id: number; readonly name: string; readonly parameters: readonly unknown[] }
  | { readonly type: 'done'; readonly id: number; readonly value: unknown }
  | { readonly type: 'failed'; readonly id: number; readonly failure: Failure };

type Waiting = { readonly resolve: (value: unknown) => void; readonly reject: (error: AshlarError) => void };

/** Calls that wait for their answer at once. The control plane's own queues are shorter; this is the last bound. */
const mostWaiting = 100_000;

/**
 * Calls between two threads, both ways over one port, answered in any order. An AshlarError crosses with its kind,
 * sentence and context; a broken assertion is a bug and ends the thread that broke it.
 */
export class Calls<Theirs> {
  readonly #port: MessageEnd;
  readonly #ours: Functions;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #closed: AshlarError | undefined;
  /** The other thread's functions. */
  readonly remote: Remote<Theirs>;

  constructor(port: MessageEnd, ours: Functions) {
    this.#port = port;
    this.#ours = ours;
    this.remote = new Proxy({} as Remote<Theirs>, {
      get:
        (_, name) =>
        (...parameters: unknown[]) =>
          this.#call(String(name), parameters),
    });
    port.on('message', (message) => this.#take(message as Message));
  }

  /** Fails what waits and every later call. */
  close(reason: AshlarError): void {
    this.#closed ??= reason;
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }

  #call(name: string, parameters: readonly unknown[]): Promise<unknown> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (this.#waiting.size >= mostWaiting) {
      return Promise.reject(new AshlarError('busy', `${mostWaiting} calls to the data plane wait already`));
    }
    const id = this.#next;
    this.#next += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#port.postMessage({ type: 'call', id, name, parameters } satisfies Message);
    });
  }

  #take(message: Message): void {
    if (message.type === 'call') {
      void this.#answer(message.id, message.name, message.parameters);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return;
    this.#waiting.delete(message.id);
    if (message.type === 'done') waiting.resolve(message.value);
    else waiting.reject(new AshlarError(message.failure.kind, message.failure.message, message.failure.context));
  }

  async #answer(id: number, name: string, parameters: readonly unknown[]): Promise<void> {
    const ours = this.#ours[name];
    assert(ours !== undefined, `the other thread calls ${name}, which is not there`);
    try {
      const value = await ours(...(parameters as never[]));
      this.#port.postMessage({ type: 'done', id, value } satisfies Message);
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      this.#port.postMessage({ type: 'failed', id, failure: failureOf(error) } satisfies Message);
    }
  }
}

function failureOf(error: unknown): Failure {
  if (error instanceof AshlarError) return { kind: error.kind, message: error.message, context: error.context };
  const message = error instanceof Error ? error.message : String(error);
  return { kind: 'io', message, context: {} };
}
