import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { directory, serve } from '../command.ts';
import { run } from '../hosted.ts';
import { makeSources, qemuImg } from './sources.ts';

test('a disk goes into a volume, out of its snapshot, and between servers, with its holes', async (t) => {
  const { data } = await serve(t, '--volume', 'disk:16M', '--volume', 'copy:16M');
  const cwd = directory(t);
  makeSources(cwd);
  const ashlar = async (...words: readonly string[]): Promise<string> => {
    const { errors, out, status } = await run(words, { ASHLAR_DATA: data }, cwd);
    t.is(status, 0, `${words.join(' ')}: ${errors}`);
    return out;
  };
  qemuImg(cwd, 'convert', '-O', 'raw', 'top.qcow2', 'expected');
  await ashlar('image', 'convert', 'top.qcow2', 'ashlar:///disk');
  const size = readFileSync(join(cwd, 'expected')).length;
  const nbd = (JSON.parse(await ashlar('export', 'show', 'disk', '--json')) as { uris: string[] }).uris[0]!;
  t.regex(await ashlar('image', 'compare', '-f', 'raw', 'expected', 'ashlar:///disk'), /Images are identical/);
  t.is(await ashlar('image', 'map', '--output', 'json', nbd), qemuImg(cwd, 'map', '--output', 'json', nbd));
  t.is(await ashlar('image', 'measure', '-O', 'qcow2', nbd), qemuImg(cwd, 'measure', '-O', 'qcow2', nbd));
  await ashlar('volume', 'snapshot', 'create', 'disk@first');
  await ashlar('image', 'bench', '-w', '--pattern', '3', '-c', '100', '-d', '4', nbd);
  await ashlar('image', 'convert', '-O', 'qcow2', '-c', 'ashlar:///disk@first', 'out.qcow2');
  qemuImg(cwd, 'resize', '-q', '-f', 'raw', 'expected', '16M');
  t.regex(await ashlar('image', 'compare', '-f', 'raw', 'expected', 'out.qcow2'), /Images are identical/);
  t.true(size > 2 ** 20);
  await ashlar('image', 'convert', '-m', '4', '-W', nbd, 'ashlar:///copy');
  t.regex(await ashlar('image', 'compare', '-s', 'ashlar:///copy', nbd), /Images are identical/);
});

test('a volume that is not there, or is too small, is told in a sentence', async (t) => {
  const { data } = await serve(t, '--volume', 'small:1M');
  const cwd = directory(t);
  makeSources(cwd);
  for (const [target, sentence] of [
    ['ashlar:///none', /none/],
    ['ashlar:///small', /make it larger first/],
    ['ashlar://', /names no volume/],
  ] as const) {
    const { errors, status } = await run(['image', 'convert', 'top.qcow2', target], { ASHLAR_DATA: data }, cwd);
    t.is(status, 1, errors);
    t.regex(errors, sentence);
  }
});
