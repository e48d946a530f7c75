import { join } from 'node:path';
import { testWithTools } from '@ashlar/testing';
import test from 'ava';
import { ashlar, directory, qemuIo, serve } from './served.ts';

const testQemu = testWithTools(test, 'qemu-io');

testQemu('a clone is flattened while it is written to, over kill -9, and its origin is removed', async (t) => {
  const data = join(directory(t), 'data');
  const first = await serve(t, data, '256M');
  await qemuIo(first.uri, 'write -P 1 0 128M', 'write -P 2 200M 5000');
  await ashlar(data, 'volume snapshot demo@installed');
  await ashlar(data, 'volume clone demo@installed vm');
  await qemuIo(`${first.server}/vm`, 'write -P 3 1M 64k', 'discard 2M 1M');
  await ashlar(data, 'volume flatten vm --no-wait');
  await first.kill();
  const { server } = await serve(t, data, '256M');
  await qemuIo(`${server}/vm`, 'write -P 4 100M 300k');
  // The start went on with it, and has perhaps ended it.
  const said = await ashlar(data, 'volume flatten vm').catch((error: Error) => error.message);
  t.regex(said, /'vm' is no clone|vm is no clone any more/);
  t.notRegex(await ashlar(data, 'volume show vm'), /clone of/);
  await qemuIo(`${server}/demo`, 'write -P 9 0 256M');
  await ashlar(data, 'volume rm demo --snapshots');
  await qemuIo(
    `${server}/vm`,
    'read -P 1 0 1M',
    'read -P 3 1M 64k',
    'read -P 0 2M 1M',
    'read -P 1 3M 97M',
    'read -P 4 100M 300k',
    'read -P 2 200M 5000',
  );
});

testQemu('a volume that is no clone, or has snapshots, is not flattened, and says what to do', async (t) => {
  const data = join(directory(t), 'data');
  const { uri } = await serve(t, data, '64M');
  await qemuIo(uri, 'write -P 1 0 1M');
  await t.throwsAsync(ashlar(data, 'volume flatten demo'), { message: /'demo' is no clone/ });
  await ashlar(data, 'volume snapshot demo@one');
  await ashlar(data, 'volume clone demo@one vm');
  await ashlar(data, 'volume snapshot vm@own');
  await t.throwsAsync(ashlar(data, 'volume flatten vm'), { message: /has snapshots \(vm@own\).*remove those first/ });
  await t.throwsAsync(ashlar(data, 'volume snapshot rm demo@one'), { message: /has clones \(vm\)/ });
  await ashlar(data, 'volume snapshot rm vm@own');
  t.regex(await ashlar(data, 'volume flatten vm'), /no clone any more/);
  await ashlar(data, 'volume snapshot rm demo@one');
});
