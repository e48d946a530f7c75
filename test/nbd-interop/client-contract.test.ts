import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { emulate, memoryDevice } from '@ashlar/block';
import { blockDeviceContract } from '@ashlar/testing';
import test from 'ava';
import { createNbdServer, openNbd, type NbdClientOptions } from '@ashlar/nbd';

type Form = { readonly name: string; readonly options: NbdClientOptions; readonly mayResize?: boolean };

const forms: readonly Form[] = [
  { name: 'NBD client, extended headers', options: {} },
  { name: 'NBD client, structured replies', options: { extended: false } },
  { name: 'NBD client, simple replies', options: { structured: false } },
  { name: 'NBD client, four connections', options: { connections: 4 } },
  { name: 'NBD client of an export that it may resize', options: {}, mayResize: true },
];

for (const { name, options, mayResize = false } of forms) {
  blockDeviceContract(test, name, {
    create: async (sizeBytes: number) => {
      const directory = await mkdtemp(`${tmpdir()}/ashlar-nbd-`);
      const path = `${directory}/socket`;
      const served = memoryDevice(sizeBytes);
      const server = createNbdServer({ exports: new Map([['disk', { device: served, mayResize }]]) });
      await once(server.listen(path), 'listening');
      const device = emulate(await openNbd(`nbd+unix:///disk?socket=${path}`, options));
      return {
        device,
        dispose: async () => {
          await device.close();
          server.close();
          await rm(directory, { recursive: true });
        },
      };
    },
  });
}
