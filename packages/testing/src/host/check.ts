import type { Host } from '@ashlar/host';
import type { ExecutionContext } from 'ava';

/** A host with an empty directory of its own. */
export type HostFixture = {
  readonly host: Host;
  readonly directory: string;
  readonly dispose: () => void;
};

/** Makes a test that a kind of host passes. */
export type Check = (title: string, body: (t: ExecutionContext, fixture: HostFixture) => Promise<void> | void) => void;
