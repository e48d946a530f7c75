import { readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { isTest, manifestOf, packageNames, packageOf, root, rootManifest, sources, textFiles } from './project.ts';
import {
  danglingImports,
  foreignImports,
  importCycles,
  importTable,
  layerFaults,
  unreachedFiles,
  unusedExports,
} from './rules.ts';
import { codeFaults, textFaults } from './text-rules.ts';

const modules = sources();

/** Fails with the faults as the message, a line each. */
function none(t: ExecutionContext, faults: readonly string[]): void {
  if (faults.length === 0) t.pass();
  else t.fail(`\n${faults.join('\n')}`);
}

test('every package stands in the import table and every row has its package', (t) => {
  t.deepEqual(packageNames(), Object.keys(importTable).toSorted());
});

test('a package imports only what its row of the import table allows', (t) => {
  none(t, layerFaults(modules));
});

test('every import of ours names a file that is there', (t) => {
  none(t, danglingImports(modules));
});

test('no file imports itself through others', (t) => {
  none(t, importCycles(modules));
});

test('every export has a user', (t) => {
  none(t, unusedExports(modules));
});

test('every source is imported or started by something', (t) => {
  const scripts = Object.values(rootManifest().scripts ?? {}).flatMap(
    (script) => script.match(/[\w./-]+\.[jt]s/g) ?? [],
  );
  const shell = [...textFiles()]
    .filter(([path]) => path.endsWith('.sh'))
    .flatMap(([, text]) => [...text.matchAll(/\btest\/[\w./-]+\.[jt]s/g)].map(([path]) => path));
  const packaged = packageNames().flatMap((name) => {
    const { exports = {}, bin = {} } = manifestOf(name);
    return [...Object.values(exports), ...Object.values(bin)].map((path) => normalize(join('packages', name, path)));
  });
  none(t, unreachedFiles(modules, new Set([...scripts, ...shell, ...packaged])));
});

test('a package.json names its package, is private and shares version and licence with the root', (t) => {
  const { version, license } = rootManifest();
  for (const name of packageNames()) {
    const manifest = manifestOf(name);
    t.is(manifest.name, `@ashlar/${name}`);
    t.is(manifest.exports?.['.'], './src/index.ts', name);
    t.like(manifest, { version, license, private: true, type: 'module' }, name);
  }
});

test('every dependency is pinned to one version', (t) => {
  const manifests = [rootManifest(), ...packageNames().map(manifestOf)];
  const faults = manifests.flatMap(({ name, dependencies, devDependencies, optionalDependencies }) =>
    Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
      .filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
      .map(([dependency, version]) => `${name}: ${dependency} is ${version}`),
  );
  none(t, faults);
});

test("a package's dependencies are what its sources import, no more and no less", (t) => {
  const ofRoot = new Set(Object.keys(rootManifest().devDependencies ?? {}));
  const faults: string[] = [];
  for (const name of packageNames()) {
    const { dependencies = {}, devDependencies = {} } = manifestOf(name);
    const imported = { code: new Set<string>(), tests: new Set<string>() };
    for (const module of modules.values()) {
      if (packageOf(module.path) !== name) continue;
      const forTest = module.path.endsWith('.test.ts') || name === 'testing';
      for (const [dependency, line] of foreignImports(module)) {
        if (dependency === `@ashlar/${name}`) continue;
        (forTest ? imported.tests : imported.code).add(dependency);
        const declared =
          dependency in dependencies || (forTest && (dependency in devDependencies || ofRoot.has(dependency)));
        if (!declared) faults.push(`${module.path}:${line}: packages/${name}/package.json does not name ${dependency}`);
      }
    }
    const needed = name === 'testing' ? imported.tests : imported.code;
    const extra = Object.keys(dependencies).filter((dependency) => !needed.has(dependency));
    faults.push(...extra.map((dependency) => `packages/${name}/package.json: nothing imports ${dependency}`));
    const typesOf = (dependency: string): string => dependency.replace(/^@types\//, '');
    const extraDev = Object.keys(devDependencies).filter(
      (dependency) => !imported.tests.has(dependency) && !imported.code.has(typesOf(dependency)),
    );
    faults.push(...extraDev.map((dependency) => `packages/${name}/package.json: no test imports ${dependency}`));
  }
  none(t, faults);
});

test('only tests import the testing package', (t) => {
  const faults = [...modules.values()]
    .filter(({ path }) => !isTest(path) && !path.startsWith('bench/'))
    .filter((module) => foreignImports(module).has('@ashlar/testing'))
    .map(({ path }) => `${path}:${foreignImports(modules.get(path)!).get('@ashlar/testing')}: is no test`);
  none(t, faults);
});

test('no source is too long, switches checks off or has a default export', (t) => {
  none(t, [...modules.values()].flatMap(codeFaults));
});

test('no file has something left to do, a path of one machine or the address of a registry', (t) => {
  none(
    t,
    [...textFiles()].flatMap(([path, text]) => textFaults(path, text)),
  );
});

test('the lock file names no host', (t) => {
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
  const faults = lock
    .split('\n')
    .flatMap((line, index) =>
      /"resolved": "\w+:/.test(line) ? [`package-lock.json:${index + 1}: ${line.trim()}`] : [],
    );
  none(t, faults);
});
