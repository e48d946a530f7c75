import { networkInterfaces } from 'node:os';
import { isLoopback } from '@ashlar/volume';

/** Whether a client lives on when this machine goes down: neither by the Unix socket nor from an address of this machine. */
export function isAnotherMachine(address: string): boolean {
  if (address === 'unix' || isLoopback(address)) return false;
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  return !Object.values(networkInterfaces()).some((addresses) => addresses?.some((own) => own.address === plain));
}
