import type { StreamPeer } from '@ashlar/core';

/** A client for people: `unix`, or its address and port. */
export function peerText({ address, port }: StreamPeer): string {
  if (address === 'unix') return 'unix';
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
