import type { Grant } from './messages.ts';

/** What the data worker asks of the control plane: handshakes that go on in the worker, and what people should read. */
export type ControlFunctions = {
  /** Export names that a client at this address is shown. */
  readonly namesFor: (address: string) => readonly string[];
  /** Undefined where there is none; throws `denied`. */
  readonly find: (exportName: string, address: string) => Grant | undefined;
  /** Asked before a client that may write to a volume is attached; throws where it must not be let in. */
  readonly admitWriter: (volumeUuid: string, address: string) => void | Promise<void>;
  /** Changes a volume's size for a client; makes it smaller only where that is said. */
  readonly resize: (volumeUuid: string, sizeBytes: number, mayShrink: boolean) => Promise<void>;
  readonly log: (
    level: 'debug' | 'info' | 'warn' | 'error',
    fields: { readonly [name: string]: unknown },
    message: string,
  ) => void;
  /** A connection that was handed over now serves an export. */
  readonly attached: (id: number) => void;
  /** A connection that was handed over is gone, attached or not. */
  readonly ended: (id: number) => void;
  /** The same of one of NFS. */
  readonly nfsEnded: (id: number) => void;
};
