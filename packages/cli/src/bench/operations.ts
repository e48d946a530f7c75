export const loadOperations = ['randread', 'randwrite', 'read', 'write', 'randrw'] as const;

export type LoadOperation = (typeof loadOperations)[number];
