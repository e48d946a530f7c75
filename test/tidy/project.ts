import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readModule, type Import, type Module } from './module.ts';

/** What a package.json of ours may say that concerns these tests. */
type Manifest = {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly private?: boolean;
  readonly type: string;
  readonly exports?: Readonly<Record<string, string>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
};

const skipped = new Set(['node_modules', '.git', '.turbo', 'ashlar-data', 'out', 'results', 'reports', 'coverage']);

export const root = fileURLToPath(new URL('../..', import.meta.url));

function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !skipped.has(entry.name)) yield* walk(path);
    else if (entry.isFile()) yield path;
  }
}

/** Every text file of the project by its path from the root, the lock file and the licence left out. */
export function textFiles(): ReadonlyMap<string, string> {
  const kinds = /(?:\.(?:ts|js|json|md|sh|toml|ya?ml|txt|service|socket|svg|py|c)|Containerfile|\.ci\/run)$/;
  const files = new Map<string, string>();
  for (const path of walk(root)) {
    const name = relative(root, path);
    if (kinds.test(name) && name !== 'package-lock.json') files.set(name, readFileSync(path, 'utf8'));
  }
  return files;
}

/** Every source (TypeScript, and the few JavaScript files) as a module, by its path from the root. */
export function sources(): ReadonlyMap<string, Module> {
  const found = new Map<string, Module>();
  for (const [path, text] of textFiles()) {
    if (/\.(?:ts|js)$/.test(path)) found.set(path, readModule(path, text));
  }
  return found;
}

/** The package that a path from the root belongs to, or undefined for `test/`, `bench/` and the root itself. */
export const packageOf = (path: string): string | undefined => /^packages\/([^/]+)\//.exec(path)?.[1];

/** A file that is only there to test. */
export const isTest = (path: string): boolean =>
  path.endsWith('.test.ts') || path.startsWith('test/') || packageOf(path) === 'testing';

export function manifestOf(packageName: string): Manifest {
  return readManifest(join(root, 'packages', packageName, 'package.json'));
}

export const rootManifest = (): Manifest => readManifest(join(root, 'package.json'));

function readManifest(path: string): Manifest {
  return JSON.parse(readFileSync(path, 'utf8')) as Manifest;
}

export const packageNames = (): readonly string[] => readdirSync(join(root, 'packages')).toSorted();

/** The path from the root of the source that an import means, or undefined for one that is not ours. */
export function resolveImport(from: string, { specifier }: Import): string | undefined {
  if (specifier.startsWith('.')) return normalize(join(dirname(from), specifier));
  const ours = /^@ashlar\/([^/]+)(?:\/(.+))?$/.exec(specifier);
  if (ours === null) return undefined;
  const key = ours[2] === undefined ? '.' : `./${ours[2]}`;
  const target = manifestOf(ours[1]!).exports?.[key];
  return target === undefined ? specifier : normalize(join('packages', ours[1]!, target));
}
