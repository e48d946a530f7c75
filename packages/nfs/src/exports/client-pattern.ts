import { BlockList, isIP } from 'node:net';
import { AshlarError } from '@ashlar/core';

/** Which clients an export is for. */
export type ClientPattern =
  | { readonly kind: 'address'; readonly text: string }
  | { readonly kind: 'network'; readonly text: string; readonly list: BlockList }
  | { readonly kind: 'name'; readonly text: string }
  /** A name with `*`, `?` and lists of characters in brackets, all of which may be dots. */
  | { readonly kind: 'names'; readonly text: string; readonly pattern: RegExp }
  | { readonly kind: 'everybody'; readonly text: string };

/** A client as it is known: by its address, and by names that lead to that address, where they were looked up. */
export type KnownClient = { readonly address: string; readonly names: readonly string[] };

/** As MOUNT's EXPORT gives them. */
const mostClientBytes = 255;

/** Throws `invalid`. */
export function parseClient(text: string): ClientPattern {
  if (text.length > mostClientBytes)
    throw new AshlarError('invalid', `a client has at most ${mostClientBytes} characters`);
  if (text === '*') return { kind: 'everybody', text };
  if (text.startsWith('@')) throw new AshlarError('invalid', `'${text}' is a netgroup: name its hosts or a network`);
  if (isIP(text) !== 0) return { kind: 'address', text };
  const [address = '', bits, ...rest] = text.split('/');
  if (bits !== undefined) {
    const family = isIP(address);
    const length = family === 4 && bits.includes('.') ? lengthOfMask(bits) : Number(bits);
    const isLength = /^\d+$/.test(String(length)) && length <= (family === 4 ? 32 : 128);
    if (family === 0 || rest.length > 0 || !isLength) throw new AshlarError('invalid', `'${text}' is no network`);
    const list = new BlockList();
    list.addSubnet(address, length, family === 4 ? 'ipv4' : 'ipv6');
    return { kind: 'network', text, list };
  }
  if (!/^(?:[\w.*?-]|\[!?[\w.-]+\])+$/.test(text)) throw new AshlarError('invalid', `'${text}' is no client`);
  if (!/[*?[]/.test(text)) return { kind: 'name', text };
  return { kind: 'names', text, pattern: patternOf(text) };
}

/** Throws `invalid`. */
function patternOf(text: string): RegExp {
  const [first = '', ...rest] = text.replaceAll('.', '\\.').replaceAll('?', '.').replaceAll('[!', '[^').split('*');
  const last = rest.pop();
  // What lies between two asterisks is found at its first place and at no other: a name that fits nowhere costs no more than one that does.
  const between = rest.map((part, at) => `(?=(.*?${part}))\\${at + 1}`).join('');
  try {
    return new RegExp(`^${first}${between}${last === undefined ? '' : `.*${last}`}$`, 'i');
  } catch {
    throw new AshlarError('invalid', `'${text}' is no client: a range of characters goes backwards`);
  }
}

/** `255.255.0.0` as 16; NaN where ones come behind zeros. */
function lengthOfMask(mask: string): number {
  if (isIP(mask) !== 4) return Number.NaN;
  const bits = mask
    .split('.')
    .map((byte) => Number(byte).toString(2).padStart(8, '0'))
    .join('');
  return /^1*0*$/.test(bits) ? bits.lastIndexOf('1') + 1 : Number.NaN;
}

/** Addresses of version 4 in version 6 are those of version 4. */
export const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '');

export function isClient(pattern: ClientPattern, client: KnownClient): boolean {
  const address = plainAddress(client.address);
  switch (pattern.kind) {
    case 'everybody':
      return true;
    case 'address':
      return pattern.text === address;
    case 'network':
      return isIP(address) !== 0 && pattern.list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
    case 'name':
      return client.names.some((name) => name.toLowerCase() === pattern.text.toLowerCase());
    case 'names':
      return client.names.some((name) => pattern.pattern.test(name));
  }
}

const precedence = ['address', 'name', 'network', 'names', 'everybody'] as const;

/** The rule for a client: of a host before one of a network, of a network before one of many names, and that before everybody's (exports(5)). */
export function ruleFor<T extends { readonly client: ClientPattern }>(
  rules: readonly T[],
  client: KnownClient,
): T | undefined {
  const fitting = rules.filter((rule) => isClient(rule.client, client));
  for (const kind of precedence) {
    const found = fitting.find((rule) => rule.client.kind === kind);
    if (found !== undefined) return found;
  }
  return undefined;
}
