import test from 'ava';
import { lex } from './lexer.ts';
import { readModule, type Module } from './module.ts';
import { importCycles, layerFaults, unreachedFiles, unusedExports } from './rules.ts';
import { codeFaults, maximumLines, textFaults } from './text-rules.ts';

function modulesOf(files: Readonly<Record<string, string>>): ReadonlyMap<string, Module> {
  return new Map(Object.entries(files).map(([path, source]) => [path, readModule(path, source)]));
}

test('comments, strings, templates and regular expressions are not code', (t) => {
  const source = 'a /* b */ = "c" + `d${ e + `f${g}` }h` + /i["/]/.test(k) / 2; // l\nm';
  const { code, literals } = lex(source);
  t.is(code.length, source.length);
  t.deepEqual(code.match(/[a-z]+/g), ['a', 'e', 'g', 'test', 'k', 'm']);
  t.deepEqual(
    literals.map(({ text }) => text),
    ['c'],
  );
});

test('braces inside a template expression do not end it', (t) => {
  t.deepEqual(lex('`${ { a: `${ {} }` } }b` + c').code.match(/[a-z]+/g), ['a', 'c']);
});

test('an import is read with its names as the other file calls them', (t) => {
  const { imports } = readModule(
    'x.ts',
    "import { a as b, type C } from './y.ts';\nimport * as n from 'z';\nn.f(n.g);",
  );
  t.deepEqual(imports, [
    { specifier: './y.ts', line: 1, names: ['a', 'C'] },
    { specifier: 'z', line: 2, names: ['f', 'g'] },
  ]);
});

test('exports are read from declarations, lists and re-exports', (t) => {
  const { exports, imports } = readModule(
    'x.ts',
    "export async function f() {}\nexport type T = 1;\nexport { a as b, type C } from './y.ts';\nexport const { d, e: g } = h;",
  );
  t.deepEqual(
    exports.map(({ name }) => name),
    ['f', 'T', 'b', 'C', 'd', 'g'],
  );
  t.deepEqual(imports, [{ specifier: './y.ts', line: 3, names: ['a', 'C'] }]);
});

test('an import against the table is found', (t) => {
  const faults = layerFaults(modulesOf({ 'packages/nbd/src/a.ts': "import { x } from '@ashlar/store';" }));
  t.deepEqual(faults, ['packages/nbd/src/a.ts:1: nbd may not import store']);
});

test('a relative import into another package is found', (t) => {
  const faults = layerFaults(modulesOf({ 'packages/nbd/src/a.ts': "import { x } from '../../wire/src/b.ts';" }));
  t.deepEqual(faults, ["packages/nbd/src/a.ts:1: write '@ashlar/wire' in place of ../../wire/src/b.ts"]);
});

test('a cycle of files is found', (t) => {
  const faults = importCycles(
    modulesOf({ 'a.ts': "import './b.ts';", 'b.ts': "import type { C } from './c.ts';", 'c.ts': "import './a.ts';" }),
  );
  t.deepEqual(faults, ['a.ts: imports itself through b.ts -> c.ts -> a.ts']);
});

test('an export without a user is found, and one of an interface needs a user outside', (t) => {
  const faults = unusedExports(
    modulesOf({
      'packages/core/src/index.ts': "export { a, b } from './a.ts';",
      'packages/core/src/a.ts': 'export const a = 1, b = 2;\nexport const b = 2;\nexport type C = 3;',
      'packages/host/src/h.ts': "import { a } from '@ashlar/core';",
    }),
  );
  t.deepEqual(faults, ['packages/core/src/index.ts:1: nobody imports b', 'packages/core/src/a.ts:3: nobody imports C']);
});

test('a file that nothing reaches is found, and a worker named by its path is reached', (t) => {
  const modules = modulesOf({
    'main.ts': "new Worker(new URL('./worker.ts', import.meta.url));",
    'worker.ts': '',
    'lost.ts': '',
  });
  t.deepEqual(unreachedFiles(modules, new Set(['main.ts'])), ['lost.ts:1: nothing imports or starts this file']);
});

test('what silences a check is found in code and not in strings', (t) => {
  const unchecked = ['a', 'ny'].join('');
  t.is(
    codeFaults(readModule('a.ts', `let x: ${unchecked};\nlet y = '${unchecked}';\nPromise.${unchecked}([]);`)).length,
    1,
  );
  t.is(codeFaults(readModule('a.ts', 'test.' + 'only("x", () => {});')).length, 1);
  t.is(codeFaults(readModule('a.ts', '\n'.repeat(maximumLines + 1))).length, 1);
});

test('what is left to do, a machine path and a registry are found in any text', (t) => {
  for (const words of [
    ['// TO', 'DO: later'],
    ['a st', 'ub'],
    ['cd /wo', 'rk/main'],
    ['https://registry.', 'npmjs.org/'],
  ]) {
    t.is(textFaults('a.md', words.join('')).length, 1, words.join(''));
  }
});
