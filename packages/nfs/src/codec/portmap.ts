import { list, struct, text, u32 } from '@ashlar/wire';

/** The portmapper and rpcbind (RFC 1833): which program of which version listens where. */
export const portmapProgram = 100_000;

/** IP protocol numbers, as version 2 has them. */
export const ipProtocol = { tcp: 6, udp: 17 } as const;

/** pmap of version 2. */
export const mapping = struct({ program: u32, version: u32, protocol: u32, port: u32 });

/** Version 2, section 3. */
export const portmapProcedure = { set: 1, unset: 2, getPort: 3, dump: 4 } as const;
export const mappings = list(mapping, 10_000);

const mostText = 1024;

/** rpcb of versions 3 and 4: a network such as `tcp`, and an address such as `127.0.0.1.8.1`, whose last two numbers are the port's bytes. */
export const binding = struct({
  program: u32,
  version: u32,
  network: text(mostText),
  address: text(mostText),
  owner: text(mostText),
});
export const bindings = list(binding, 10_000);
export const universalAddress = text(mostText);

/** Versions 3 and 4, section 2. */
export const rpcbindProcedure = { set: 1, unset: 2, getAddress: 3, dump: 4, getTime: 6, getVersionAddress: 9 } as const;
