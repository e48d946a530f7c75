import { BlockList, isIP } from 'node:net';
import { AshlarError } from '@ashlar/core';

/** Throws `invalid` unless `text` is an IP address or a CIDR such as `10.0.0.0/8` or `fd00::/8`. */
export function checkCidr(text: string): void {
  parseCidr(text);
}

function parseCidr(text: string): { address: string; prefix: number; family: 'ipv4' | 'ipv6' } {
  const [address = '', prefixText, ...rest] = text.split('/');
  const version = isIP(address);
  const widest = version === 6 ? 128 : 32;
  const prefix = prefixText === undefined ? widest : Number(prefixText);
  const isPrefix = prefixText === undefined || (/^\d{1,3}$/.test(prefixText) && prefix <= widest);
  if (version === 0 || !isPrefix || rest.length > 0) {
    throw new AshlarError(
      'invalid',
      `'${text}' is not an address range: write one such as 10.0.0.0/8, 192.168.1.7 or fd00::/8`,
    );
  }
  return { address, prefix, family: version === 6 ? 'ipv6' : 'ipv4' };
}

/** A set of addresses. An IPv4 address mapped into IPv6 counts as the IPv4 one. */
export class AddressRanges {
  readonly #list = new BlockList();

  constructor(cidrs: readonly string[]) {
    for (const cidr of cidrs) {
      const { address, prefix, family } = parseCidr(cidr);
      this.#list.addSubnet(address, prefix, family);
    }
  }

  has(address: string): boolean {
    const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
    const version = isIP(plain);
    return version !== 0 && this.#list.check(plain, version === 6 ? 'ipv6' : 'ipv4');
  }
}

const loopback = new AddressRanges(['127.0.0.0/8', '::1']);

export function isLoopback(address: string): boolean {
  return loopback.has(address);
}
