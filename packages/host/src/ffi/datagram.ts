import { libc } from './libc.ts';

const socket: (domain: number, type: number, protocol: number) => number = libc.func(
  'int socket(int domain, int type, int protocol)',
);
const sendto: (
  descriptor: number,
  bytes: Uint8Array,
  length: number,
  flags: number,
  address: Uint8Array,
  addressLength: number,
) => number = libc.func(
  'long sendto(int fd, const void *bytes, size_t length, int flags, const void *address, unsigned int address_length)',
);
const close: (descriptor: number) => number = libc.func('int close(int fd)');

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;

/** Bytes of sun_path (unix(7)). */
const longestPath = 108;

/**
 * Sends one datagram to a Unix socket, which Node cannot: `path` is a file or, with a leading `@`, an abstract name. False
 * when nobody takes it.
 */
export function sendDatagram(path: string, text: string): boolean {
  const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : path);
  if (name.length === 0 || name.length > longestPath) return false;
  const address = Buffer.alloc(2 + longestPath);
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  const descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return false;
  const bytes = Buffer.from(text);
  const sent = sendto(descriptor, bytes, bytes.length, MSG_NOSIGNAL, address, 2 + name.length);
  close(descriptor);
  return sent === bytes.length;
}
