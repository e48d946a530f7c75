/** In an attribute or a text. */
export function escapeXml(text: string): string {
  return text.replace(/[<>&'"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** As one word. */
export function inShell(text: string): string {
  return /^[\w@%+=:,./?-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
