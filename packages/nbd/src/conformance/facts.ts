import type { ExportInfo } from './negotiation.ts';
import type { Style } from './reply.ts';

/** What a look at the server found before the checks. */
export type Facts = {
  readonly handshakeFlags: number;
  /** `refused`: a server without TLS; `offered`: at the client's option; `forced`: nothing goes without. */
  readonly tls: 'refused' | 'offered' | 'forced';
  /** False where the server insists on TLS and no material was given: then all that follows is empty. */
  readonly isOpen: boolean;
  readonly exportName: string;
  /** Names of NBD_OPT_LIST, undefined where the server does not tell. */
  readonly exports: readonly string[] | undefined;
  readonly size: number;
  /** Transmission flags with the richest headers. */
  readonly flags: number;
  readonly info: ExportInfo;
  readonly styles: readonly Style[];
  /** The richest of `styles`. */
  readonly bestStyle: Style;
  readonly contexts: readonly string[];
  /** Whether the server takes any export name. */
  readonly acceptsEveryName: boolean;
  /** The smallest offset and length that every request of the suite is a multiple of: at least 512. */
  readonly unit: number;
  /** The largest payload that the server says it takes, or the document's default. */
  readonly maximumPayload: number;
};
