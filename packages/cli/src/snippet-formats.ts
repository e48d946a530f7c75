export const snippetFormats = ['qemu', 'libvirt', 'nbd-client', 'fstab'] as const;

export type SnippetFormat = (typeof snippetFormats)[number];
