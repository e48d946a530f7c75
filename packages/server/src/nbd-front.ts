import type { Socket } from 'node:net';
import type { Plane } from '@ashlar/plane';
import type { Logger } from 'pino';
import type { Config } from './config/schema.ts';
import type { Grants } from './grants.ts';

export type NbdFrontOptions = {
  readonly config: () => Config;
  readonly grants: Grants;
  readonly plane: Plane;
  readonly logger: Logger;
  readonly count: (result: 'accepted' | 'refused' | 'attached') => void;
};

export class NbdFront {
  readonly #options: NbdFrontOptions;

  constructor(options: NbdFrontOptions) {
    this.#options = options;
  }

  accept(socket: Socket): void {
    this.#options.count('refused');
    socket.destroy();
  }

  reload(): void {}

  close(): void {}
}
