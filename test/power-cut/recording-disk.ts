import type { BlockDevice, Settled } from '@ashlar/core';
import { createRealHost } from '@ashlar/host';
import { createFileDevice } from '@ashlar/image';
import { createNbdServer } from '@ashlar/nbd';
import { PoorDevice } from '@ashlar/testing';
import { Recorder } from './recording.ts';

/**
 * A disk over NBD that writes down what is written to it and when it is flushed, for cuts of its power to be made of. A process of
 * its own: SOCKET, the DISK's file, and the RECORDING's, where everything goes at once, so that its memory stays small.
 */
const [socketPath = '', diskPath = '', recordingPath = ''] = process.argv.slice(2);

const sectorBytes = 512;

/** Its writes are answered some turns later and in another order than they came: a flush covers those that were answered before it came. */
class RecordingDisk extends PoorDevice {
  readonly #recorder = new Recorder(recordingPath);

  constructor(below: BlockDevice) {
    super(below, sectorBytes);
  }

  override async write(offset: number, from: Uint8Array, durable: boolean): Promise<void> {
    await super.write(offset, from, durable);
    this.#recorder.write(offset, from);
  }

  override flush(): Settled<void> {
    this.#recorder.flush();
  }
}

const file = createRealHost().open(diskPath, {});
const device = new RecordingDisk(createFileDevice(file, { readOnly: false }));
createNbdServer({ exports: new Map([['disk', { device }]]) }).listen(socketPath);
