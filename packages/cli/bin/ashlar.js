#!/usr/bin/env node
// The project runs on Node 24, which npm installs beside it. When an older Node starts this file, it hands over to that one.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function bundledNode() {
  const manifest = createRequire(import.meta.url).resolve(`node-linux-${process.arch}/package.json`);
  return join(dirname(manifest), 'bin', 'node');
}

function handOver(node) {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH']) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('error', (error) => {
    console.error(`ashlar: cannot start ${node}: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

if (Number.parseInt(process.versions.node, 10) >= 24) {
  await import('../src/main.ts');
} else {
  try {
    handOver(bundledNode());
  } catch {
    console.error('ashlar: Node 24 is needed; run "npm ci" in the project, which brings it, or put Node 24 on PATH');
    process.exit(1);
  }
}
