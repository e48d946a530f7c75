import { builtinModules } from 'node:module';
import type { Module } from './module.ts';
import { isTest, packageOf, resolveImport } from './project.ts';

type Modules = ReadonlyMap<string, Module>;

/**
 * Which packages a package may import. A test (`*.test.ts`) may import `testing` besides; `test/` and `bench/` may
 * import every package.
 */
export const importTable: Readonly<Record<string, readonly string[]>> = {
  core: [],
  host: ['core'],
  wire: ['core'],
  store: ['core', 'host'],
  block: ['core'],
  image: ['core', 'host', 'block'],
  tree: ['core', 'host'],
  volume: ['core', 'block', 'image'],
  nbd: ['core', 'wire'],
  nfs: ['core', 'wire'],
  disk: ['core', 'host', 'wire', 'block', 'image', 'nbd'],
  plane: ['core', 'host', 'wire', 'store', 'block', 'image', 'tree', 'volume', 'nbd', 'nfs'],
  server: ['core', 'host', 'wire', 'store', 'block', 'image', 'volume', 'nbd', 'nfs', 'plane'],
  cli: ['core', 'host', 'wire', 'store', 'block', 'image', 'volume', 'nbd', 'disk', 'plane', 'server'],
  testing: ['core', 'host'],
};

/** The packages of ours that a file of `name` imports outside its row, as `file:line: sentence`. */
export function layerFaults(modules: Modules): string[] {
  const faults: string[] = [];
  for (const { path, imports, mentions } of modules.values()) {
    const from = packageOf(path);
    if (from === undefined) continue;
    const allowed = new Set([from, ...(importTable[from] ?? []), ...(path.endsWith('.test.ts') ? ['testing'] : [])]);
    for (const item of [...imports, ...mentions]) {
      const target = resolveImport(path, item);
      if (target === undefined) continue;
      const to = packageOf(target);
      if (to === undefined) faults.push(`${path}:${item.line}: reaches out of its package for ${item.specifier}`);
      else if (!allowed.has(to)) faults.push(`${path}:${item.line}: ${from} may not import ${to}`);
      else if (to !== from && item.specifier.startsWith('.')) {
        faults.push(`${path}:${item.line}: write '@ashlar/${to}' in place of ${item.specifier}`);
      }
    }
  }
  return faults;
}

/** Relative imports that name no file. */
export function danglingImports(modules: Modules): string[] {
  const faults: string[] = [];
  for (const { path, imports } of modules.values()) {
    for (const item of imports) {
      const target = resolveImport(path, item);
      if (target !== undefined && !modules.has(target)) {
        faults.push(`${path}:${item.line}: ${item.specifier} is not there`);
      }
    }
  }
  return faults;
}

/** Cycles of files, each as the chain of its files. A cycle of types counts: it ties the files just the same. */
export function importCycles(modules: Modules): string[] {
  const faults: string[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const visit = (path: string, chain: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      const cycle = [...chain.slice(chain.indexOf(path)), path];
      faults.push(`${cycle[0]}: imports itself through ${cycle.slice(1).join(' -> ')}`);
      return;
    }
    state.set(path, 'open');
    const module = modules.get(path);
    for (const item of module?.imports ?? []) {
      const target = resolveImport(path, item);
      if (target !== undefined) visit(target, [...chain, path]);
    }
    state.set(path, 'done');
  };
  for (const path of modules.keys()) visit(path, []);
  return faults;
}

/** A type that its own file uses stands in the signature of something else there, and is exported with it. */
function isSignatureType(module: Module | undefined, name: string): boolean {
  if (
    module === undefined ||
    !new RegExp(`^export (?:type|interface|abstract class|class) ${name}\\b`, 'm').test(module.code)
  ) {
    return false;
  }
  return [...module.code.matchAll(new RegExp(`\\b${name}\\b`, 'g'))].length > 1;
}

/** Where a re-export of an index.ts comes from. */
function originOf(modules: Modules, { path, imports }: Module, name: string): Module | undefined {
  const from = imports.find(({ names }) => names !== 'all' && names.includes(name));
  const target = from === undefined ? undefined : resolveImport(path, from);
  return target === undefined ? undefined : modules.get(target);
}

/**
 * Exports that nobody uses. An export of an index.ts is the package's interface and needs a user in another package,
 * a test (of its own package, where it is tested by its file), a benchmark or a command; any other needs a user in another
 * file.
 */
export function unusedExports(modules: Modules): string[] {
  const used = new Set<string>();
  const tested = new Set<string>();
  for (const { path, imports, mentions } of modules.values()) {
    for (const item of [...imports, ...mentions]) {
      const target = resolveImport(path, item);
      if (target === undefined || target === path) continue;
      const isInterface = target.endsWith('/src/index.ts');
      if (isInterface && packageOf(path) === packageOf(target) && !isTest(path)) continue;
      const names = item.names === 'all' ? (modules.get(target)?.exports ?? []).map(({ name }) => name) : item.names;
      for (const name of names) {
        used.add(`${target} ${name}`);
        if (isTest(path)) tested.add(`${target} ${name}`);
      }
    }
  }
  const faults: string[] = [];
  for (const module of modules.values()) {
    const { path, exports } = module;
    if (path.endsWith('.config.js')) continue;
    for (const { name, line } of exports) {
      const origin = path.endsWith('/src/index.ts') ? originOf(modules, module, name) : undefined;
      const inTest = origin !== undefined && tested.has(`${origin.path} ${name}`);
      if (used.has(`${path} ${name}`) || inTest || isSignatureType(origin ?? module, name)) continue;
      faults.push(`${path}:${line}: nobody imports ${name}`);
    }
  }
  return faults;
}

/** Sources that nothing imports, mentions or starts. `entries` are paths that a manifest or a script starts. */
export function unreachedFiles(modules: Modules, entries: ReadonlySet<string>): string[] {
  const reached = new Set(entries);
  for (const { path, imports, mentions } of modules.values()) {
    for (const item of [...imports, ...mentions]) {
      const target = resolveImport(path, item);
      if (target !== undefined && target !== path) reached.add(target);
    }
  }
  return [...modules.keys()]
    .filter((path) => !reached.has(path) && !path.endsWith('.test.ts') && !path.endsWith('.config.js'))
    .map((path) => `${path}:1: nothing imports or starts this file`);
}

/** Packages from npm that a file imports, each once, with the first line that does. */
export function foreignImports(module: Module): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const { specifier, line } of module.imports) {
    const name = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)![0];
    const known = specifier.startsWith('node:') || specifier.startsWith('.') || builtinModules.includes(specifier);
    if (!known && !found.has(name)) found.set(name, line);
  }
  return found;
}
