import { join } from 'node:path';
import { testWithTools } from '@ashlar/testing';
import test from 'ava';
import { directory, long, serve, shell } from './served.ts';

type Direction = { readonly total_ios: number };
type Output = {
  readonly jobs: readonly {
    readonly error: number;
    readonly read: Direction;
    readonly write: Direction;
    readonly trim: Direction;
  }[];
};

const seconds = long ? 60 : 3;

/** Runs fio on the volume. What it wrote it reads again and compares; the first difference ends it with an error. */
async function fio(cwd: string, uri: string, ...options: readonly string[]): Promise<Output['jobs'][number]> {
  const given = [
    '--name=verify',
    '--ioengine=nbd',
    `--uri=${uri}`,
    '--iodepth=32',
    '--verify=crc32c',
    '--verify_fatal=1',
    '--randrepeat=0',
    '--output-format=json',
    '--output=result.json',
    ...options,
  ];
  await shell(`fio ${given.join(' ')}`, { cwd, timeoutMs: (seconds + 60) * 1000 });
  const text = await shell('cat result.json', { cwd });
  const job = (JSON.parse(text.slice(text.indexOf('{'))) as Output).jobs[0]!;
  if (job.error !== 0) throw new Error(`fio met the error ${job.error}: ${text}`);
  return job;
}

const testFio = testWithTools(test, 'fio', 'qemu-io');

/** A pass over a range, which a second process of fio reads and compares. */
const range = ['--rw=randwrite', '--bsrange=512-64k', '--size=96M', '--randseed=7', '--end_fsync=1'];

testFio('fio finds what it wrote, in blocks of many sizes and with flushes between', async (t) => {
  const cwd = directory(t);
  const { uri } = await serve(t, join(cwd, 'data'), '1G');
  const sizes = '--bssplit=512/10:4k/40:12k/20:64k/20:1M/10';
  const time = ['--time_based', `--runtime=${seconds}`, '--size=256M'];
  const { read, write } = await fio(cwd, uri, '--rw=randrw', sizes, '--fsync=64', '--verify_backlog=512', ...time);
  t.true(write.total_ios > 100);
  t.true(read.total_ios >= write.total_ios / 2, 'what was written was read, too');
});

testFio('four jobs of fio on a connection each find what they wrote', async (t) => {
  const cwd = directory(t);
  const { uri } = await serve(t, join(cwd, 'data'), '1G');
  const jobs = ['--numjobs=4', '--size=64M', '--offset_increment=256M', '--group_reporting'];
  const time = ['--time_based', `--runtime=${seconds}`];
  const { write } = await fio(cwd, uri, '--rw=randwrite', '--bs=4k', '--verify_backlog=256', ...jobs, ...time);
  t.true(write.total_ios > 1000);
});

testFio('what fio wrote and flushed is there after kill -9', async (t) => {
  const cwd = directory(t);
  const data = join(cwd, 'data');
  const first = await serve(t, data, '256M');
  const written = await fio(cwd, first.uri, ...range, '--do_verify=0');
  t.true(written.write.total_ios > 1000);
  await first.kill();
  const second = await serve(t, data, '256M');
  const { read } = await fio(cwd, second.uri, ...range, '--verify_only');
  t.is(read.total_ios, written.write.total_ios);
});

testFio('fio is told of one byte that differs', async (t) => {
  const cwd = directory(t);
  const { uri } = await serve(t, join(cwd, 'data'), '256M');
  await fio(cwd, uri, ...range, '--do_verify=0');
  await shell(`qemu-io -f raw -c 'write -P 0xee 50000001 1' ${uri}`);
  await t.throwsAsync(fio(cwd, uri, ...range, '--verify_only'), { message: /verify|error/ });
});
