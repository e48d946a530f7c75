/**
 * A server in a process of its own, for tests that kill it: `killable.ts DATA CLIENTS`. It takes each client for one on
 * another machine where CLIENTS is `elsewhere`, prints the URI of its volume and goes on until it is killed or told to stop by SIGTERM.
 */
import { MiB } from '@ashlar/core';
import { start } from './running.ts';

const [data = '', clients] = process.argv.slice(2);
const machine = clients === 'elsewhere' ? { isAnother: () => true } : {};
const { server } = await start(data, '', [{ name: 'demo', sizeBytes: 64 * MiB }], machine);
process.once('SIGTERM', () => {
  void server.stop().then(() => process.exit(0));
});
process.stdout.write(`${server.urisOf('demo')[0] ?? ''}\n`);
