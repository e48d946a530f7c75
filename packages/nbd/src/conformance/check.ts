import type { Client } from './client.ts';
import type { Facts } from './facts.ts';

export type Level = 'MUST' | 'SHOULD' | 'MAY';

/** Why a check cannot be made on this server, or undefined where it can. */
export type Need = (facts: Facts) => string | undefined;

export type Check = {
  /** AREA.NAME, stable: reports and filters name checks by it. */
  readonly id: string;
  /** What a conforming server does, as a sentence. */
  readonly title: string;
  /** The section of the protocol document that says so, or `robustnessSource`. */
  readonly source: string;
  readonly level: Level;
  /** Changes the export's contents. */
  readonly writes?: boolean;
  /** Can be made on a server that insists on TLS when the caller gave no TLS material. */
  readonly plain?: boolean;
  readonly needs?: readonly Need[];
  /** Throws Failed or Skipped; what it resolves to is a note about something that the document leaves open. */
  readonly run: (client: Client, facts: Facts) => Promise<string | void>;
};

/** For what the document does not say and what no server that others depend on can do without. */
export const robustnessSource = 'robustness (not in the document)';

/** The branch of the document where extended headers are. */
export const extensionSource = (section: string): string => `extension-ext-header: ${section}`;
