import { array, struct, text, u32, type ValueOf } from '../xdr/xdr-types.ts';

/** The body of an AUTH_SYS credential (RFC 5531, appendix A): who calls, as its machine says. At most 16 further groups. */
export const authSys = struct({ stamp: u32, machine: text(255), uid: u32, gid: u32, gids: array(u32, 16) });

export type AuthSys = ValueOf<typeof authSys>;
