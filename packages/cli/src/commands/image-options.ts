import { Option } from 'commander';

export const formatOption = (
  flags = '-f, --format <FORMAT>',
  description = 'take it for that; else it is looked at',
): Option => new Option(flags, description).choices(['raw', 'qcow2']);

export const outputOption = (): Option =>
  new Option('--output <HOW>', 'for people, or for programs').choices(['human', 'json']).default('human');

const cacheModes = ['none', 'writeback', 'writethrough', 'directsync', 'unsafe'];

export const cacheOption = (description = 'taken as writeback'): Option =>
  new Option('-t, --cache <MODE>', description).choices(cacheModes);

export const sourceCacheOption = (): Option =>
  new Option('-T, --source-cache <MODE>', 'nothing comes of it').choices(cacheModes);

export const shared = ['-U, --force-share', 'also while somebody writes to it'] as const;

export const imageOptsOption = (): Option =>
  new Option('--image-opts', "a disk is named by QEMU's options: driver=qcow2,file.filename=PATH").conflicts([
    'format',
    'secondFormat',
  ]);
