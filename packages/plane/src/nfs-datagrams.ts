import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { answerDatagram, Programs } from '@ashlar/nfs';

/** Calls that come as datagrams: of the port mapper, MOUNT, the lock manager and the status monitor. */
export class NfsDatagrams {
  readonly #programs: ConstructorParameters<typeof Programs>[0];
  readonly #ready: (address: string) => Promise<unknown> | undefined;
  readonly #sockets: Socket[] = [];

  /** `ready`: settles when a call from an address may be served; nothing where it may at once. */
  constructor(
    programs: ConstructorParameters<typeof Programs>[0],
    ready: (address: string) => Promise<unknown> | undefined,
  ) {
    this.#programs = programs;
    this.#ready = ready;
  }

  /** Rejects where that cannot be. */
  async listen(host: string, port: number): Promise<void> {
    const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', ipv6Only: host.includes(':') });
    const programs = new Programs(this.#programs);
    const local = host === '0.0.0.0' || host === '::' ? {} : { local: host };
    socket.on('message', (bytes, { address, port: from }) => {
      const answered = () => answerDatagram(programs, bytes, { address, port: from, ...local });
      void Promise.resolve(this.#ready(address)?.then(answered) ?? answered()).then((found) => {
        if (found !== undefined) socket.send(found, from, address, () => undefined);
      });
    });
    socket.bind({ address: host, port, exclusive: true });
    await once(socket, 'listening');
    socket.on('error', () => undefined);
    socket.unref();
    this.#sockets.push(socket);
  }

  close(): void {
    for (const socket of this.#sockets.splice(0)) socket.close();
  }
}
