import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import test from 'ava';
import { root, textFiles } from './project.ts';
import { importTable } from './rules.ts';

test('the import table of docs/architecture.md is the one that is enforced', (t) => {
  const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
  const rows = [...page.matchAll(/^\| (\w+) +\| .* \| ([\w ]+?|—) +\|$/gm)].filter(([, name]) => name !== 'package');
  const table = Object.fromEntries(rows.map(([, name, row]) => [name, row === '—' ? [] : row!.split(' ')]));
  t.deepEqual(table, importTable);
});

test('every relative link of a page leads to a file', (t) => {
  const broken: string[] = [];
  for (const [path, text] of textFiles()) {
    if (!path.endsWith('.md')) continue;
    for (const [, link] of text.matchAll(/\]\((?!https?:|#|mailto:)([^)#]+)(?:#[^)]*)?\)/g)) {
      const target = normalize(join(dirname(path), link!));
      if (!existsSync(join(root, target))) broken.push(`${path}: ${link}`);
    }
  }
  t.deepEqual(broken, []);
});
