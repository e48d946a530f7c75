/** RFC 5531, sections 9 and 8.2. */
export const rpcVersion = 2;
export const messageType = { call: 0, reply: 1 } as const;
export const replyState = { accepted: 0, denied: 1 } as const;
export const acceptState = {
  success: 0,
  programUnavailable: 1,
  programMismatch: 2,
  procedureUnavailable: 3,
  garbage: 4,
  systemError: 5,
} as const;
export const denyState = { rpcMismatch: 0, authError: 1 } as const;
/** Why a credential is not accepted. */
export const authState = {
  badCredential: 1,
  rejectedCredential: 2,
  badVerifier: 3,
  rejectedVerifier: 4,
  tooWeak: 5,
} as const;
export const authFlavor = { none: 0, sys: 1 } as const;

/** Of a credential or a verifier. */
export const mostAuthBytes = 400;
