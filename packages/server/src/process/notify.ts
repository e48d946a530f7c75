import { sendDatagram } from '@ashlar/host';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What systemd is told (sd_notify(3)): nothing happens where NOTIFY_SOCKET names nobody. With WatchdogSec= the notifier
 * says that the server lives at half that interval, for as long as this thread turns.
 */
export class Notifier {
  readonly #socket: string | undefined;
  #watchdog: NodeJS.Timeout | undefined;

  constructor(environment: Environment) {
    const path = environment['NOTIFY_SOCKET'];
    this.#socket = path === undefined || path === '' ? undefined : path;
    const watchdogMicros = Number(environment['WATCHDOG_USEC'] ?? 0);
    const ours = environment['WATCHDOG_PID'] ?? String(process.pid);
    if (this.#socket === undefined || !(watchdogMicros > 0) || ours !== String(process.pid)) return;
    this.#watchdog = setInterval(() => this.#tell('WATCHDOG=1'), watchdogMicros / 2000);
    this.#watchdog.unref();
  }

  ready(status: string): void {
    this.#tell(`READY=1\nMAINPID=${process.pid}\nSTATUS=${status}`);
  }

  /** `ready` follows when it is done. */
  reloading(): void {
    const nowMicros = process.hrtime.bigint() / 1000n;
    this.#tell(`RELOADING=1\nMONOTONIC_USEC=${nowMicros}\nSTATUS=Reading the configuration`);
  }

  stopping(status: string): void {
    this.#tell(`STOPPING=1\nSTATUS=${status}`);
  }

  /** More time for a stop that lasts. */
  extend(timeoutMs: number): void {
    this.#tell(`EXTEND_TIMEOUT_USEC=${Math.round(timeoutMs * 1000)}`);
  }

  close(): void {
    clearInterval(this.#watchdog);
  }

  #tell(text: string): void {
    if (this.#socket !== undefined) sendDatagram(this.#socket, text);
  }
}

/** Descriptors that systemd passed (sd_listen_fds(3)): the first is 3. Empty for another process's. */
export function passedDescriptors(environment: Environment): readonly { descriptor: number; name: string }[] {
  const count = Number(environment['LISTEN_FDS'] ?? 0);
  if (!Number.isInteger(count) || count <= 0 || environment['LISTEN_PID'] !== String(process.pid)) return [];
  const names = (environment['LISTEN_FDNAMES'] ?? '').split(':');
  return Array.from({ length: count }, (_, index) => ({ descriptor: 3 + index, name: names[index] ?? '' }));
}
