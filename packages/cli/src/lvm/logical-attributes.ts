import type { LogicalVolume, Segment } from '@ashlar/image/lvm';
import type { Relation } from './relations.ts';
import type { Row } from './rows.ts';

const allocationLetters: Readonly<Record<string, string>> = {
  contiguous: 'c',
  cling: 'l',
  normal: 'n',
  anywhere: 'a',
  inherit: 'i',
};

const isSpare = ({ name, status }: LogicalVolume): boolean => name.endsWith('_pmspare') && !status.includes('VISIBLE');

function typeLetter(volume: LogicalVolume, first: Segment | undefined, relation: Relation): string {
  const { parent, snapshot } = relation;
  if (isSpare(volume)) return 'e';
  if (parent?.part === 'metadata') return 'e';
  if (parent?.part === 'log') return 'l';
  if (parent?.part === 'data') return 'T';
  // What the kernel knows of their state it knows only of those in use.
  if (parent?.part === 'image') return 'I';
  if (first?.kind === 'thin-pool') return 't';
  if (first?.kind === 'thin') return 'V';
  if (first?.kind === 'raid') return volume.flags.includes('NOTSYNCED') ? 'R' : 'r';
  if (snapshot !== undefined) return snapshot.isMerging ? 'S' : 's';
  if (relation.thickSnapshots.length > 0) return 'o';
  if (first?.kind === 'mirror') return volume.flags.includes('NOTSYNCED') ? 'M' : 'm';
  return first?.kind === 'zero' || first?.kind === 'error' ? 'v' : '-';
}

function targetLetter(first: Segment | undefined, relation: Relation): string {
  const kind = relation.parent?.part === 'data' ? undefined : (first?.kind ?? undefined);
  const parent = relation.parent?.segment.kind;
  if (kind === 'thin' || kind === 'thin-pool') return 't';
  if (kind === 'raid' || parent === 'raid') return 'r';
  if (kind === 'mirror' || parent === 'mirror') return 'm';
  if (relation.snapshot !== undefined || relation.thickSnapshots.length > 0) return 's';
  if (kind === 'unknown') return 'u';
  return kind === 'zero' || kind === 'error' ? 'v' : '-';
}

/** The pool that a thin volume is of, or the pool itself. */
function poolSegment({ lv, relations }: Row): Segment | undefined {
  const first = lv?.segments[0];
  if (first?.kind === 'thin-pool') return first;
  return first?.kind === 'thin' ? relations?.volume(first.pool)?.segments[0] : undefined;
}

const zeroesNew = (row: Row): boolean => {
  const pool = poolSegment(row);
  return pool?.kind === 'thin-pool' && pool.zeroesNew;
};

/** LVM's ten letters, of a volume that is not in use. */
export function logicalAttributes(row: Row): string {
  const { group, lv, relations } = row;
  if (lv === undefined || relations === undefined) return '';
  const [first] = lv.segments;
  const relation = relations.of(lv.name);
  return [
    typeLetter(lv, first, relation),
    lv.status.includes('WRITE') ? 'w' : 'r',
    allocationLetters[lv.allocation] ?? '-',
    lv.status.includes('FIXED_MINOR') ? 'm' : '-',
    '--',
    targetLetter(first, relation),
    zeroesNew(row) ? 'z' : '-',
    isPartial(row) && group !== undefined ? 'p' : '-',
    lv.flags.includes('ACTIVATION_SKIP') ? 'k' : '-',
  ].join('');
}

/** Something of it lies on a physical volume that is missing. */
function isPartial({ group, lv, relations }: Row): boolean {
  const missing = new Set(group?.missing.map(({ key }) => key));
  if (missing.size === 0 || lv === undefined) return false;
  const reaches = (volume: LogicalVolume | undefined): boolean =>
    volume?.segments.some((segment) => {
      if (segment.kind === 'striped' || segment.kind === 'mirror') {
        return segment.areas.some(({ name, on }) =>
          on === 'pv' ? missing.has(name) : reaches(relations?.volume(name)),
        );
      }
      if (segment.kind === 'raid') return segment.images.some(({ data }) => reaches(relations?.volume(data)));
      if (segment.kind === 'thin') return reaches(relations?.volume(segment.pool));
      return (
        segment.kind === 'thin-pool' &&
        [segment.data, segment.metadata].some((name) => reaches(relations?.volume(name)))
      );
    }) ?? false;
  return reaches(lv);
}

/** What it is built as: `lv_layout`. */
export function layoutOf({ lv }: Row): string {
  const first = lv?.segments[0];
  switch (first?.kind) {
    case 'raid':
      return `raid,${first.type}`;
    case 'thin':
      return 'thin,sparse';
    case 'thin-pool':
      return 'thin,pool';
    default:
      return first?.type ?? '';
  }
}

/** What it is for: `lv_role`. */
export function roleOf({ lv, relations }: Row): string {
  if (lv === undefined || relations === undefined) return '';
  const { parent, snapshot, thickSnapshots, thinSnapshots } = relations.of(lv.name);
  const [first] = lv.segments;
  if (isSpare(lv)) return 'private,pool,spare';
  if (parent?.part !== undefined && parent.part !== 'area') {
    const kind = parent.segment.kind === 'thin-pool' ? 'thin,pool' : parent.segment.kind;
    return `private,${kind},${parent.part}`;
  }
  if (first?.kind === 'thin-pool') return 'private';
  const roles = [lv.isVisible ? 'public' : 'private'];
  if (thickSnapshots.length > 0 || thinSnapshots.length > 0) roles.push('origin');
  if (thickSnapshots.length > 0) roles.push('thickorigin');
  if (thinSnapshots.length > 0) roles.push('thinorigin');
  const isThinSnapshot = first?.kind === 'thin' && first.origin !== undefined;
  if (snapshot !== undefined || isThinSnapshot)
    roles.push('snapshot', isThinSnapshot ? 'thinsnapshot' : 'thicksnapshot');
  return roles.join(',');
}
