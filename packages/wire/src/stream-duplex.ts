import { Duplex } from 'node:stream';
import type { Stream } from '@ashlar/core';

const chunkBytes = 64 * 1024;

/** A Stream as a Node stream, so that node:tls can run over a connection of the event loop. */
export function duplexOf(stream: Stream): Duplex {
  let wanted = false;
  const pump = (): void => {
    while (wanted) {
      const chunk = Buffer.allocUnsafe(chunkBytes);
      let count: number;
      try {
        count = stream.receive(chunk, 0, chunkBytes);
      } catch (error) {
        duplex.destroy(error as Error);
        return;
      }
      if (count === 0) return;
      if (count < 0) {
        wanted = false;
        duplex.push(null);
        return;
      }
      wanted = duplex.push(chunk.subarray(0, count));
    }
  };
  const duplex = new Duplex({
    read() {
      wanted = true;
      pump();
    },
    write(chunk: Buffer, _encoding, callback) {
      stream.send(chunk, () => callback());
      stream.flush();
    },
    final(callback) {
      stream.end();
      callback();
    },
    destroy(error, callback) {
      stream.destroy();
      callback(error);
    },
  });
  stream.onReadable = pump;
  stream.onClose = (error) => duplex.destroy(error);
  return duplex;
}
