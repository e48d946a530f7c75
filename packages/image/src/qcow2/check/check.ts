import { AshlarError } from '@ashlar/core';
import type { HostFile } from '@ashlar/host';
import { geometryOf, type Geometry } from '../geometry.ts';
import { incompatible, type Qcow2Header } from '../header.ts';
import { readHeader, writeHeaderFields } from '../stored.ts';
import { compareCounts } from './compare.ts';
import { checkCopiedFlags } from './copied-flags.ts';
import { Findings, type CheckRepair, type CheckResult, type Say } from './findings.ts';
import { ReferenceCounts } from './reference-counts.ts';
import { StoredRefcounts } from './stored-refcounts.ts';
import { ReferenceWalk } from './walk.ts';
import { writeRefcounts } from './write-refcounts.ts';

const quiet: Say = () => undefined;

/**
 * Checks an image that nobody writes to, and mends what `repair` says: of that nothing reads otherwise than before. `file` is open for writing where it
 * mends. Fails with `corrupt` where too little of it is whole to be checked, with `unsupported` where it is too large for that.
 */
export async function checkQcow2(file: HostFile, path: string, repair: CheckRepair, say: Say): Promise<CheckResult> {
  const header = await readHeader(file, path);
  const findings = new Findings(say);
  const check = new Check({ file, path, header, geometry: geometryOf(header), findings, repair });
  await check.run();
  if (repair !== 'none' && findings.figures.corruptions === 0) await markClean(file, path);
  return findings.figures;
}

/** An image that is in order says so. */
async function markClean(file: HostFile, path: string): Promise<void> {
  const { incompatible: bits, version } = await readHeader(file, path);
  const left = bits & ~(incompatible.dirty | incompatible.corrupt);
  if (left !== bits) await writeHeaderFields(file, version, { incompatible: left });
}

type CheckParts = {
  readonly file: HostFile;
  readonly path: string;
  readonly header: Qcow2Header;
  readonly geometry: Geometry;
  readonly findings: Findings;
  readonly repair: CheckRepair;
};

class Check {
  readonly #parts: CheckParts;

  constructor(parts: CheckParts) {
    this.#parts = parts;
  }

  async run(): Promise<void> {
    const { file, findings, geometry, header, path, repair } = this.#parts;
    const { figures } = findings;
    figures.totalClusters = Math.ceil(header.sizeBytes / geometry.clusterBytes);
    const counts = this.#newCounts();
    let stored = await StoredRefcounts.read(file, header, path);
    await new ReferenceWalk({ ...this.#parts, counts, mends: repair === 'all' }).run();
    const isBroken = this.#countStructures(header, stored, counts, findings);
    const before = { ...figures };
    let compared = await compareCounts(stored, counts, findings, 'none');
    const needsRebuild = isBroken || compared.needsRebuild;
    if (needsRebuild && repair === 'all') {
      stored = await this.#rebuild(stored);
      compared = await this.#checkRebuilt(stored);
    } else if (needsRebuild && repair === 'leaks') {
      findings.say('ERROR need to rebuild refcount structures');
      throw new AshlarError('io', `the refcounts of '${path}' must be written anew: say -r all`, { path });
    } else if (repair !== 'none' && figures.leaks + figures.corruptions > 0) {
      Object.assign(figures, before);
      compared = await compareCounts(stored, counts, findings, repair);
      await stored.write();
    }
    await checkCopiedFlags({ ...this.#parts, stored }, repair);
    figures.imageEndOffset = (compared.highest + 1) * geometry.clusterBytes;
  }

  #newCounts(): ReferenceCounts {
    const { file, geometry, header, path } = this.#parts;
    const clusters = Math.ceil(file.size() / geometry.clusterBytes);
    return new ReferenceCounts(clusters, geometry.clusterBytes, 2 ** header.refcountOrder, path);
  }

  /** Counts the refcount table and its blocks. Gives whether they are such that they must be written anew. */
  #countStructures(
    { refcountTableClusters, refcountTableOffset }: Pick<Qcow2Header, 'refcountTableClusters' | 'refcountTableOffset'>,
    stored: StoredRefcounts,
    counts: ReferenceCounts,
    findings: Findings,
  ): boolean {
    const { geometry, file } = this.#parts;
    const { clusterBytes } = geometry;
    const walk = new ReferenceWalk({ ...this.#parts, counts, findings, mends: false });
    walk.count(refcountTableOffset, refcountTableClusters * clusterBytes);
    let isBroken = false;
    for (const [index, entry] of stored.entries.entries()) {
      if (entry === 0n) continue;
      if ((entry & 0x1ffn) !== 0n) {
        findings.corruption(`ERROR refcount table entry ${index} has reserved bits set`);
        isBroken = true;
      } else if (entry % BigInt(clusterBytes) !== 0n) {
        findings.corruption(`ERROR refcount block ${index} is not cluster aligned; refcount table entry corrupted`);
        isBroken = true;
      } else if (entry >= BigInt(file.size())) {
        findings.corruption(`ERROR refcount block ${index} is outside image`);
        isBroken = true;
      } else {
        const place = Number(entry);
        walk.count(place, clusterBytes);
        const references = counts.at(place / clusterBytes);
        if (references === 1) continue;
        findings.corruption(`ERROR refcount block ${index} refcount=${references}`);
        isBroken = true;
      }
    }
    return isBroken;
  }

  /** Writes the refcounts anew, by who refers to what. */
  async #rebuild(stored: StoredRefcounts): Promise<StoredRefcounts> {
    const { file, findings, geometry, header, path } = this.#parts;
    const { clusterBytes } = geometry;
    findings.say('Rebuilding refcount structure');
    const counts = this.#newCounts();
    await new ReferenceWalk({ ...this.#parts, counts, findings: new Findings(quiet), mends: false }).run();
    // Until the header names the new ones those that are there are read.
    counts.hold(header.refcountTableOffset, header.refcountTableClusters * clusterBytes);
    for (const index of stored.entries.keys()) {
      const place = stored.placeOf(index);
      if (place !== 0) counts.hold(place, clusterBytes);
    }
    await writeHeaderFields(file, header.version, await writeRefcounts(file, counts));
    return await StoredRefcounts.read(file, await readHeader(file, path), path);
  }

  /** What is left counts as it was found; what is not any more was mended. */
  async #checkRebuilt(stored: StoredRefcounts): Promise<Awaited<ReturnType<typeof compareCounts>>> {
    const { file, findings, path } = this.#parts;
    const after = new Findings(quiet);
    const counts = this.#newCounts();
    await new ReferenceWalk({ ...this.#parts, counts, findings: after, mends: false }).run();
    this.#countStructures(await readHeader(file, path), stored, counts, after);
    const compared = await compareCounts(stored, counts, after, 'none');
    const { figures } = findings;
    figures.corruptionsFixed += Math.max(0, figures.corruptions - after.figures.corruptions);
    figures.leaksFixed += Math.max(0, figures.leaks - after.figures.leaks);
    figures.corruptions = after.figures.corruptions;
    figures.leaks = after.figures.leaks;
    return compared;
  }
}
