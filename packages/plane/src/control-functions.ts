import type { Grant } from './messages.ts';

/** What the data worker asks of the control plane: handshakes that go on in the worker, and what people should read. */
export type ControlFunctions = {
  /** Export names that a client at this address is shown. */
  readonly namesFor: (address: string) => readonly string[];
  /** Throws `not-found` and `denied`. */
  readonly grant: (exportName: string, address: string) => Grant;
  readonly log: (
    level: 'debug' | 'info' | 'warn' | 'error',
    fields: { readonly [name: string]: unknown },
    message: string,
  ) => void;
  /** A connection was attached, or ended before it was. */
  readonly counted: (result: 'attached' | 'refused') => void;
};
