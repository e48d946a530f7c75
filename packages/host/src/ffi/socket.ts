import { assert } from '@ashlar/core';
import type { IoVector } from './iovec.ts';
import { lastErrno, libc } from './libc.ts';
import { addressOf } from './memory.ts';

type Transfer = (descriptor: number, start: number, length: number, flags: number) => number;
type SetOption = (descriptor: number, level: number, name: number, value: Int32Array, length: number) => number;

const recv: Transfer = libc.func('long recv(int fd, uintptr_t start, size_t length, int flags)');
const send: Transfer = libc.func('long send(int fd, uintptr_t start, size_t length, int flags)');
const sendmsg: (descriptor: number, message: Uint32Array, flags: number) => number = libc.func(
  'long sendmsg(int fd, const void *message, int flags)',
);
const setsockopt: SetOption = libc.func(
  'int setsockopt(int fd, int level, int name, const void *value, unsigned int length)',
);
const shutdown: (descriptor: number, how: number) => number = libc.func('int shutdown(int fd, int how)');

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_SNDBUFFORCE = 32;
const SHUT_WR = 1;

/** Receives what is there into `into` at `offset`, without waiting: the count, 0 at the orderly end, or minus errno. */
export function receiveInto(descriptor: number, into: Uint8Array, offset: number, length: number): number {
  assert(offset >= 0 && length > 0 && offset + length <= into.byteLength, 'a receive lies in its buffer');
  const count = recv(descriptor, addressOf(into) + offset, length, MSG_DONTWAIT);
  return count < 0 ? -lastErrno() : count;
}

/** Sends memory that the caller keeps alive, without waiting: the count, which may be less, or minus errno. */
export function sendMemory(descriptor: number, start: number, length: number): number {
  const count = send(descriptor, start, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  return count < 0 ? -lastErrno() : count;
}

/** struct msghdr: seven 64-bit words, of which the third and fourth are the parts and their number. */
const message = new Uint32Array(14);
const partsWord = 4;
const countWord = 6;

/** As `sendMemory` for the parts of a vector. */
export function sendVector(descriptor: number, vector: IoVector): number {
  const { start } = vector;
  message[partsWord] = start % 2 ** 32;
  message[partsWord + 1] = start / 2 ** 32;
  message[countWord] = vector.count;
  const count = sendmsg(descriptor, message, MSG_DONTWAIT | MSG_NOSIGNAL);
  return count < 0 ? -lastErrno() : count;
}

const on = new Int32Array([1]);

/** Small replies leave at once. Fails quietly on what is no TCP socket. */
export function disableNagle(descriptor: number): void {
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, on, on.byteLength);
}

const sendBufferBytes = new Int32Array([2 * 1024 * 1024]);

/**
 * Makes room for whole replies in a Unix socket, which unlike TCP never grows its own: beyond the system's limit where the
 * process may, else up to it.
 */
export function enlargeSendBuffer(descriptor: number): void {
  const { byteLength } = sendBufferBytes;
  if (setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, sendBufferBytes, byteLength) < 0) {
    setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, sendBufferBytes, byteLength);
  }
}

/** Tells the peer that nothing more comes. */
export function shutDownSending(descriptor: number): void {
  shutdown(descriptor, SHUT_WR);
}
