/** What `-l` names: `snapshot.id=ID`, `snapshot.name=NAME`, or one of both. */
export function snapshotNamed(text: string | undefined): string | undefined {
  const [, name] = /^snapshot\.(?:id|name)=([^,]*)/.exec(text ?? '') ?? [];
  return name ?? text;
}
