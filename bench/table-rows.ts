import { join } from 'node:path';
import { MiB } from '@ashlar/core';
import type { Cleanup } from './cleanup.ts';
import { dropCaches } from './cold.ts';
import { fio, type Load, type Throughput } from './fio.ts';
import { ashlar, filePeers, memoryPeers, type Place, type Running, type Server } from './peers.ts';
import { processorSeconds, untilIdle, withPeak } from './process-usage.ts';
import type { Row, VolumeKind } from './rows.ts';
import type { Scale } from './scale.ts';
import { settled } from './settled.ts';

/** One turn of one server at one row. */
export type Turn = Throughput & {
  /** With what the server did afterwards for it. */
  readonly processorSeconds: number;
  readonly peakBytes: number;
};

/** The turns of a row by server, a turn a round. */
export type RowResult = { readonly name: string; readonly turns: ReadonlyMap<string, readonly Turn[]> };

/** A server with its disk, which may be started again. */
type Side = { readonly server: Server; readonly place: Place; running: Running };

const serversOf = (kind: VolumeKind): readonly Server[] => [ashlar, ...(kind === 'memory' ? memoryPeers : filePeers)];

const filling: Load = { rw: 'write', blockBytes: MiB, depth: 8, connections: 1, flushEvery: 0 };

async function open(server: Server, directory: string, scale: Scale): Promise<Side> {
  const place = { directory: join(directory, server.name.replace(' ', '-')), sizeBytes: scale.diskBytes };
  const running = await server.start(place);
  return { server, place, running };
}

/** Writes the whole disk, and reads it once when it shall be warm. */
async function fill({ running }: Side, kind: VolumeKind, sizeBytes: number): Promise<void> {
  await fio(running.uri, filling, { sizeBytes });
  if (kind !== 'cold') await fio(running.uri, { ...filling, rw: 'read' }, { sizeBytes });
  await untilIdle(running.pid);
}

/** Nothing of the disk is in the host's memory or the server's. Needs root. */
async function cool(side: Side, directory: string): Promise<void> {
  await side.running.stop();
  await dropCaches(directory);
  side.running = await side.server.start(side.place);
}

/** Ends when the server is idle again, so that nothing of one turn disturbs the next. */
async function turn({ running }: Side, load: Load, seconds: number): Promise<Turn> {
  const { pid, uri } = running;
  const before = processorSeconds(pid);
  const { result, peakBytes } = await withPeak(pid, () => fio(uri, load, { seconds }));
  await untilIdle(pid);
  return { ...result, processorSeconds: processorSeconds(pid) - before, peakBytes };
}

/** Measures rows on one kind of volume: in each of `roundsOf` a row every server has its turn, one after the other. */
export async function measureRows(
  kind: VolumeKind,
  rows: readonly Row[],
  roundsOf: (name: string) => number,
  directory: string,
  scale: Scale,
  cleanup: Cleanup,
  say: (text: string) => void,
): Promise<RowResult[]> {
  const sides: Side[] = [];
  for (const server of serversOf(kind)) {
    const side = await open(server, directory, scale);
    cleanup.add(() => side.running.stop());
    sides.push(side);
    say(`${kind}: ${server.name} is filled`);
    await fill(side, kind, scale.diskBytes);
  }
  const results: RowResult[] = [];
  for (const { name, load } of rows) {
    const turns = new Map<string, Turn[]>(sides.map(({ server }) => [server.name, []]));
    for (let round = 0; round < roundsOf(`${kind}/${name}`); round += 1) {
      for (const side of sides) {
        if (kind === 'cold') await cool(side, directory);
        if (load.rw !== 'read' && load.rw !== 'randread') await settled(directory);
        turns.get(side.server.name)!.push(await turn(side, load, scale.seconds));
      }
    }
    const rates = sides.map(
      ({ server }) => `${server.name} ${Math.round(turns.get(server.name)!.at(-1)!.operationsPerSecond)}`,
    );
    say(`${kind}/${name}: ${rates.join(', ')} operations a second`);
    results.push({ name: `${kind}/${name}`, turns });
  }
  for (const { running } of sides) await running.stop();
  return results;
}
