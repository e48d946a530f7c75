/** What exports are offered over. */
export const exportProtocols = ['nbd', 'nfs'] as const;

export type ExportProtocol = (typeof exportProtocols)[number];
