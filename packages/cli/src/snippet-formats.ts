export const snippetFormats = ['qemu', 'libvirt', 'nbd-client', 'fstab', 'mount'] as const;

export type SnippetFormat = (typeof snippetFormats)[number];
