import { join } from 'node:path';
import { GiB, KiB, MiB } from '@ashlar/core';
import { testWithTools } from '@ashlar/testing';
import test from 'ava';
import { makeVolume, snapshot } from './admin.ts';
import { ashlar, directory, qemuIo, serve, shell } from './served.ts';
import { sharedServer } from './shared.ts';

const testQemu = testWithTools(test, 'qemu-io', 'qemu-img', 'nbdinfo', 'nbdcopy');
const shared = sharedServer(test);

testQemu(
  'a snapshot is read under VOLUME@SNAPSHOT as it was, whatever is written since, also after kill -9',
  async (t) => {
    const data = join(directory(t), 'data');
    const first = await serve(t, data, '1G');
    await qemuIo(first.uri, 'write -P 1 0 1M', 'write -P 1 700M 5000');
    await snapshot(data, 'demo@one');
    await qemuIo(first.uri, 'write -P 2 4096 4096', 'write -z 512k 256k', 'write -P 2 900M 1M');
    await snapshot(data, 'demo@two');
    await qemuIo(first.uri, 'write -P 3 0 64k', 'write -f -P 3 700M 5000');
    const one = ['read -P 1 0 1M', 'read -P 1 700M 5000', 'read -P 0 900M 1M'];
    const two = ['read -P 1 0 4096', 'read -P 2 4096 4096', 'read -P 0 512k 256k', 'read -P 2 900M 1M'];
    const now = ['read -P 3 0 64k', 'read -P 1 64k 448k', 'read -P 3 700M 5000', 'read -P 2 900M 1M'];
    await qemuIo(`${first.uri}@one`, ...one);
    await qemuIo(`${first.uri}@two`, ...two);
    await qemuIo(first.uri, ...now);
    await first.kill();
    const second = await serve(t, data, '1G');
    await qemuIo(`${second.uri}@one`, ...one);
    await qemuIo(`${second.uri}@two`, ...two);
    await qemuIo(second.uri, ...now);
    t.pass();
  },
);

testQemu('snapshots are listed, keep their own size, and refuse writes', async (t) => {
  const data = join(directory(t), 'data');
  const { uri, server } = await serve(t, data, '64M');
  await snapshot(data, 'demo@small');
  await ashlar(data, 'volume resize demo --size 128M');
  const listed = await shell(`nbdinfo --list --json ${server}`);
  const { exports } = JSON.parse(listed) as { exports: { 'export-name': string; 'export-size': number }[] };
  t.deepEqual(
    exports.map((item) => [item['export-name'], item['export-size']]),
    [
      ['demo', 128 * MiB],
      ['demo@small', 64 * MiB],
    ],
  );
  t.is((await shell(`nbdinfo --is read-only ${uri}@small`)).trim(), '');
  await t.throwsAsync(shell(`qemu-io -f raw -c 'write 0 512' ${uri}@small`), {
    message: /read-only|not permitted|Permission denied/i,
  });
  await t.throwsAsync(shell(`nbdinfo --size ${uri}@none`), { message: /no export/ });
});

type MapRun = { readonly offset: number; readonly length: number; readonly type: number };

testQemu(
  'what changed between two snapshots is told by the dirty bitmap context, to nbdinfo and to qemu-img',
  async (t) => {
    const { data, port, volume } = await shared();
    const uri = await volume('changed', '1T');
    await qemuIo(uri, 'write -P 1 0 4M', 'write -P 1 900G 1M');
    await snapshot(data, 'changed@one');
    await qemuIo(uri, 'write -P 2 1M 4096', 'write -P 2 3M 64k', 'discard 900G 128k', 'write -P 2 500G 8192');
    await snapshot(data, 'changed@two');
    await qemuIo(uri, 'write -P 3 0 4096');
    const changed = [
      [MiB, 4096],
      [3 * MiB, 64 * KiB],
      [500 * GiB, 8192],
      [900 * GiB, 128 * KiB],
    ];
    const runs = async (name: string): Promise<number[][]> => {
      const map = JSON.parse(await shell(`nbdinfo --map=qemu:dirty-bitmap:one --json ${name}`)) as MapRun[];
      return map.filter(({ type }) => type === 1).map(({ offset, length }) => [offset, length]);
    };
    t.deepEqual(await runs(`${uri}@two`), changed);
    t.deepEqual(await runs(uri), [[0, 4096], ...changed]);
    const server = `server.type=inet,server.host=127.0.0.1,server.port=${port}`;
    const image = `driver=nbd,${server},export=changed@two,x-dirty-bitmap=qemu:dirty-bitmap:one`;
    const map = JSON.parse(await shell(`qemu-img map --output=json --image-opts ${image}`)) as {
      start: number;
      length: number;
      data: boolean;
    }[];
    // QEMU reads a bitmap's flags as if they were those of an allocation: what changed is no data to it.
    t.deepEqual(
      map.filter((run) => !run.data).map(({ start, length }) => [start, length]),
      changed,
    );
    const diff = JSON.parse(await ashlar(data, 'volume diff changed@one changed@two --json')) as {
      offset: number;
      length: number;
    }[];
    t.deepEqual(
      diff.map(({ offset, length }) => [offset, length]),
      changed,
    );
  },
);

testQemu('an incremental backup with the tools of QEMU copies what changed, and is the volume', async (t) => {
  const cwd = directory(t);
  const { data, port, volume } = await shared();
  const uri = await volume('week', '256M');
  await qemuIo(uri, 'write -P 1 0 64M', 'write -P 5 200M 1M');
  await snapshot(data, 'week@monday');
  await shell(`qemu-img convert -f raw -O qcow2 ${uri}@monday monday.qcow2`, { cwd });
  await qemuIo(uri, 'write -P 2 1M 4096', 'write -P 3 30M 100k', 'discard 200M 1M', 'write -P 4 255M 1M');
  await snapshot(data, 'week@tuesday');
  const nbd = `driver=nbd,server.type=inet,server.host=127.0.0.1,server.port=${port},export=week@tuesday`;
  const from = `driver=qcow2,file.filename=tuesday.qcow2,backing.driver=raw,${nbd
    .split(',')
    .map((part) => `backing.file.${part}`)
    .join(',')}`;
  await shell(
    [
      'qemu-img create -f qcow2 tuesday.qcow2 256M',
      `nbdinfo --map=qemu:dirty-bitmap:monday ${uri}@tuesday | awk '$3 == 1 { print "read " $1 " " $2 }' > reads`,
      `qemu-io -C --image-opts ${from} < reads`,
      'qemu-img rebase -u -b monday.qcow2 -F qcow2 tuesday.qcow2',
      `qemu-img compare -f qcow2 -F raw tuesday.qcow2 ${uri}@tuesday`,
    ].join('\n'),
    { cwd },
  );
  const allocated = await shell(`qemu-img map --output=json tuesday.qcow2`, { cwd });
  const own = (JSON.parse(allocated) as { depth: number; length: number }[]).filter(({ depth }) => depth === 0);
  t.true(own.reduce((sum, { length }) => sum + length, 0) < 4 * MiB, 'what did not change was not copied');
});

testQemu('a clone begins with what the snapshot has, and neither sees what the other writes', async (t) => {
  const { data, server, volume } = await shared();
  const uri = await volume('origin', '256M');
  await qemuIo(uri, 'write -P 1 0 32M');
  await snapshot(data, 'origin@base');
  await qemuIo(uri, 'write -P 2 0 1M');
  await ashlar(data, 'volume clone origin@base copy');
  await qemuIo(`${server}/copy`, 'read -P 1 0 32M', 'write -P 3 1M 1M');
  await qemuIo(uri, 'read -P 2 0 1M', 'read -P 1 1M 31M');
  await qemuIo(`${uri}@base`, 'read -P 1 0 32M');
  await qemuIo(`${server}/copy`, 'read -P 1 0 1M', 'read -P 3 1M 1M', 'read -P 1 2M 30M');
  await t.throwsAsync(ashlar(data, 'volume snapshot rm origin@base'), { message: /has clones \(copy\)/ });
  await ashlar(data, 'volume rm copy');
  await ashlar(data, 'volume snapshot rm origin@base');
  await qemuIo(uri, 'read -P 2 0 1M', 'read -P 1 1M 31M');
});

testQemu('a volume goes back to what a snapshot has, with its size', async (t) => {
  const { data, volume } = await shared();
  const uri = await volume('back', '64M');
  await qemuIo(uri, 'write -P 1 0 8M');
  await snapshot(data, 'back@before');
  await qemuIo(uri, 'write -P 2 4M 8M');
  await ashlar(data, 'volume resize back --size 128M');
  await ashlar(data, 'volume rollback back@before');
  await qemuIo(uri, 'read -P 1 0 8M', 'read -P 0 8M 56M', 'write -P 4 0 4096');
  t.is((await shell(`nbdinfo --size ${uri}`)).trim(), String(64 * MiB));
});

testQemu(
  'a snapshot of several volumes is of one instant: no later write of one is in it without an earlier one of the other',
  async (t) => {
    const { data, server } = await shared();
    await makeVolume(data, 'log', '16M');
    await makeVolume(data, 'table', '16M');
    // Each count is written to the log first, and to the volume when that was answered.
    const write = `python3 -c '
import nbd
log, table = nbd.NBD(), nbd.NBD()
log.connect_uri("${server}/log")
table.connect_uri("${server}/table")
for count in range(1, 4000):
    log.pwrite(count.to_bytes(512, "big"), 0)
    table.pwrite(count.to_bytes(512, "big"), 0)
'`;
    const writing = shell(write.replace('python3', '/usr/bin/python3'));
    for (let round = 0; round < 5; round += 1) {
      await ashlar(data, `volume snapshot log@${round} table@${round}`.replaceAll('@', '@s'));
    }
    await writing;
    const countOf = async (volume: string): Promise<bigint> => {
      const hex = await shell(`nbdcopy ${server}/${volume} - | head -c 512 | od -An -v -tx1 | tr -d ' \n'`);
      return BigInt(`0x${hex}`);
    };
    for (let round = 0; round < 5; round += 1) {
      const [log, table] = [await countOf(`log@s${round}`), await countOf(`table@s${round}`)];
      t.true(table === log || table + 1n === log, `round ${round}: the log has ${log}, the volume ${table}`);
    }
  },
);
