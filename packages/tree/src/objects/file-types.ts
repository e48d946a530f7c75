import type { FileType } from '@ashlar/core';

/** Their places are how records name them: none is ever removed or moved. */
export const fileTypes: readonly FileType[] = ['regular', 'directory', 'link', 'block', 'character', 'socket', 'fifo'];
