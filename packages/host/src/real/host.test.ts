import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostContract } from '@ashlar/testing';
import test from 'ava';
import { createRealHost } from './host.ts';

hostContract(test, 'real host', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ashlar-host-'));
  return {
    host: createRealHost(),
    directory,
    dispose: () => rmSync(directory, { recursive: true, force: true }),
  };
});
